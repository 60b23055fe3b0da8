"""Worker processes that check SMILES say what one process says, and end with the block."""

import multiprocessing

import pytest

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


@pytest.mark.parametrize(("n_workers", "ahead"), [(1, 1), (2, 1), (4, 1), (5, 2), (16, 4), (64, 16)])
def test_as_many_chunks_are_checked_ahead_as_the_processes_need(n_workers: int, ahead: int) -> None:
    with CheckPool(CheckSettings(frozenset("CO"), 128), n_workers) as checks:
        assert checks.ahead == ahead
