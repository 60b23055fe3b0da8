"""The model in production in the form that servers of models read."""
