"""Ensemble: members of a model beside the transformer, and their blend."""
