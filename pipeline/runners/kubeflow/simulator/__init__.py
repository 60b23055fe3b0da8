"""A stand-in for the backend of Kubeflow Pipelines and its launcher: runs a compiled pipeline on this machine."""
