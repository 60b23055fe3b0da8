"""AffinityEvaluator: average precision by protein and split group, and the blessing."""
