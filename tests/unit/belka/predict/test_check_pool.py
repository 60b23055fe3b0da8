"""Worker processes that check SMILES say what one process says, and end with the block."""

import multiprocessing

from belka.predict.check import CheckSettings, SmilesChecker
from belka.predict.check_pool import CheckPool

SMILES = ["CCO", "C1CC", None, "OCC"] * 300  # more than a part


def test_several_processes_say_what_one_says_and_end_with_the_block() -> None:
    settings = CheckSettings(frozenset("CO"), 128)
    with CheckPool(settings, 2) as checks:
        asked = [checks.submit(SMILES), checks.submit(SMILES[::-1])]  # the second goes to the workers
        found = [each() for each in asked]
        assert len(multiprocessing.active_children()) == 2
    assert not multiprocessing.active_children()
    expected = SmilesChecker(settings).check_all(SMILES)
    assert found == [expected, expected[::-1]]
