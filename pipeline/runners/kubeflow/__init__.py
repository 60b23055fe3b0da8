"""Kubeflow Pipelines: settings, post-processing of the compiled pipeline, checks, submission and a simulator of the backend."""
