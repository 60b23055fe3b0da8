"""Runners: each hands create_pipeline(config) to one orchestrator."""
