"""`belka benchmark` where a reference is not installed."""

import sys

import pytest

from belka.errors import InputError
from benchmarks.cli import vocabulary


def test_a_reference_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "benchmarks.vocabulary", raising=False)
    monkeypatch.setitem(sys.modules, "atomInSmiles", None)
    with pytest.raises(InputError, match=r"not installed[\s\S]*atomInSmiles[\s\S]*make setup"):
        vocabulary(smiles=1, out=None)
