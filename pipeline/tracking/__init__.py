"""Finished runs, told to a tracking server: settings, scores, curves, pages and the model."""
