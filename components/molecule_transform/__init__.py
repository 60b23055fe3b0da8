"""MoleculeTransform: molecules to TFRecord Examples with tokens and fingerprints, and the TransformGraph."""
