"""Layers of the Belka transformer, one per file."""
