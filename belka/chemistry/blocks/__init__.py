"""Fingerprints of molecules put together from those of their building blocks."""
