"""report.html and the model card: one evaluation, told to a reader."""
