"""Metrics with masked labels."""
