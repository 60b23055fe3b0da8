"""Predict affinities of any SMILES with an exported model: no pipeline, no RDKit needed."""
