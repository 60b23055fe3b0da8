"""Prediction with a pushed model, from single SMILES or from files of any length."""
