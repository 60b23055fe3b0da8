"""What runs and models are, in formats that other tools read; all from provenance.json."""
