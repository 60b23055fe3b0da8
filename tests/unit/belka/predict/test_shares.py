"""Shares of a prediction, each scored by another process, are together what one process scores."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from belka.errors import InputError
from belka.predict import chunks
from belka.predict import input_table as tables
from belka.predict.predict import predict_file
from belka.predict.shares import SharedPrediction, score_share, shared_prediction

ROWS = ["C" * (1 + n % 50) if n % 9 else "C1" for n in range(75)]


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "CHUNK_ROWS", 10)


@pytest.fixture
def shared(length_model: Path, tmp_path: Path) -> Callable[..., SharedPrediction]:
    (tmp_path / "in.csv").write_text("smiles\n" + "".join(f"{text}\n" for text in ROWS))

    def begin(n_shares: int = 3) -> SharedPrediction:
        places = (length_model, tmp_path / "in.csv", tmp_path / "out.csv")
        return shared_prediction(*places, column=None, standardise=False, trust_model=False, n_shares=n_shares)

    return begin


@pytest.mark.parametrize("n_shares", [1, 3, 20])
def test_the_output_is_that_of_one_process_and_nothing_is_scored_twice(
    length_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    shared: Callable[..., SharedPrediction],
    n_shares: int,
) -> None:
    alone = predict_file(length_model, tmp_path / "in.csv", tmp_path / "alone.csv", n_workers=1)
    whole = shared(n_shares)
    assert sum(score_share(share, whole) for share in range(n_shares)) == len(ROWS)

    def scored(*_: object) -> None:
        raise AssertionError("a chunk that no share kept")

    monkeypatch.setattr(chunks, "score_checked", scored)
    assert score_share(0, whole) > 0, "a share that is tried again finds what it kept"
    assert predict_file(length_model, tmp_path / "in.csv", tmp_path / "out.csv", n_workers=1) == alone
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "alone.csv").read_bytes()
    assert not list(tmp_path.glob(".*")), "what was kept is removed"


def test_a_worker_that_sees_another_folder_says_so(shared: Callable[..., SharedPrediction]) -> None:
    whole = shared()
    with pytest.raises(InputError, match="does not reach the folder") as caught:
        score_share(0, replace(whole, sign="of another machine"))
    assert whole.sign in caught.value.received
    (whole.output.with_name(".out.csv.scored") / "sign").unlink()
    with pytest.raises(InputError, match=r"No such file[\s\S]*shared volume"):
        score_share(0, whole)


def test_standard_input_cannot_be_shared(length_model: Path, tmp_path: Path) -> None:
    places = (length_model, Path("-"), tmp_path / "out.csv")
    with pytest.raises(InputError, match="Standard input cannot be shared"):
        shared_prediction(*places, column=None, standardise=False, trust_model=False, n_shares=2)
    assert list(tmp_path.iterdir()) == []
