"""Molecules of DNA-encoded libraries: the domain that the pipeline is built on, usable without it."""
