"""Tokens of SMILES: the grammar, the vocabulary, and the graph that serving runs."""
