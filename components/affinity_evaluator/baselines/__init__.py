"""Models that cost little: what a model must beat to be worth its price."""
