"""The sentence on the deletion test."""

import numpy as np

from belka.explanation.explain import Explanation, deletion_summary


def test_what_rounds_to_nothing_has_no_sign() -> None:
    whole = np.zeros(2)
    each = Explanation("CCO", "", whole, lost=np.array([0.644, -0.004]), lost_at_random=np.array([-0.25, -0.0]))
    told = deletion_summary([each, Explanation("C1", "unparsable SMILES", whole)], ("HSA", "sEH"))
    assert told.endswith("(mean of 1 molecules): HSA 0.64 against -0.25; sEH 0.00 against 0.00")
