"""What a molecule is, and the fingerprints and building blocks it has."""
