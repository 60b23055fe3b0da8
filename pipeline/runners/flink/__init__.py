"""A Flink session on this machine."""
