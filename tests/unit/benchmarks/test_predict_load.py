"""The measure of `belka predict`: which molecules it takes, and what it calls flat, going on and equal."""

from io import StringIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from belka.contract import RAW_SMILES
from belka.errors import BelkaError
from benchmarks import predict
from benchmarks.predict import PredictCost, PredictLoad, _inputs, _killed, print_load


def load(*, last: float = 1.0, again: float = 40.0, equal: bool = True) -> PredictLoad:
    costs = (PredictCost("small", 10, 1.0, 10.0), PredictCost("large", 100, last, 10.0))
    return PredictLoad((*costs, PredictCost("killed", 50, 9.0), PredictCost("again", again, 9.0)), equal)


def test_each_file_begins_the_next_and_holds_no_molecule_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict, "CHUNK", 70)  # a part of each read, so that several are needed
    small, large = (pq.read_table(path)[RAW_SMILES].to_pylist() for path in _inputs(tmp_path, [150, 1000]))
    assert (len(small), len(set(large))) == (150, 1000)
    assert large[:150] == small


def test_memory_that_grows_by_more_than_a_twentieth_is_not_flat() -> None:
    assert load(last=1.04).is_flat
    assert not load(last=1.06).is_flat


def test_going_on_is_compared_with_the_undisturbed_prediction_of_the_same_file() -> None:
    assert load(again=99).goes_on
    assert not load(again=101).goes_on


def test_what_was_found_is_told() -> None:
    text = StringIO()
    print_load(load(last=2.0, equal=False), Console(file=text, width=100))
    assert "within 5%: no" in text.getvalue()
    assert "starting anew: yes; equal scores: no" in text.getvalue()


def test_a_prediction_that_ended_before_the_kill_measures_nothing() -> None:
    with pytest.raises(BelkaError, match="ended before it could be killed"):
        _killed(["true"], PredictCost("large", 5.0, 1.0))
