"""Losses with masked labels, one a file."""
