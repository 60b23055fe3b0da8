"""MoleculeTransform: molecules to TFRecord Examples with tokens and ECFP, and the TransformGraph."""
