"""A pushed model: its folder, its description, and the pointer to the champion."""
