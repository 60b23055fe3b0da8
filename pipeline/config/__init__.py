"""The configuration: its sections, its files, its reference."""
