"""Kubeflow's Model Registry is told of the model in production."""
