"""Kubeflow Pipelines: compile the pipeline, check it, submit it, run its pods, and a simulator of the backend."""
