"""Demo data: a small triazine DNA-encoded library in the raw BELKA format, with labels from a documented rule."""
