"""Losses with masked labels, one per file."""
