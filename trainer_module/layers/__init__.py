"""Layers of the Belka transformer, one a file."""
