"""Workers of an engine score a file: the command that writes the output finds every chunk."""

from pathlib import Path

import pytest

from belka.errors import InputError, explained
from belka.predict import chunks
from belka.predict import input_table as tables
from belka.predict.predict import predict_file
from belka.predict.shares import shared_prediction
from components.engine_prediction import score_on_engine, share_count


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.unit.belka.conftest import write_length_model

    return write_length_model(tmp_path_factory.mktemp("model") / "17")


def test_each_worker_has_a_share() -> None:
    assert share_count(["--runner=PortableRunner", "--parallelism=6"]) == 6
    assert share_count(["--direct_num_workers=2"]) == 2
    assert share_count(["--runner=DataflowRunner"]) == 16


def test_an_engine_scores_a_file(
    model: Path, engine_flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "CHUNK_ROWS", 10)
    source = tmp_path / "in.csv"
    source.write_text("smiles\n" + "".join(f"{'C' * (1 + n % 50)}\n" for n in range(75)))
    alone = predict_file(model, source, tmp_path / "alone.csv", n_workers=1)
    places = (model, source, tmp_path / "out.csv")
    whole = shared_prediction(*places, column=None, standardise=False, trust_model=False, n_shares=3)
    score_on_engine(whole, engine_flags)
    monkeypatch.setattr(chunks, "score_checked", None)
    assert predict_file(model, source, tmp_path / "out.csv", n_workers=1) == alone
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "alone.csv").read_bytes()


def test_what_a_worker_cannot_read_is_told_as_it_says_it(model: Path, engine_flags: list[str], tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("smiles\nC\n")
    places = (model, source, tmp_path / "out.csv")
    whole = shared_prediction(*places, column=None, standardise=False, trust_model=False, n_shares=1)
    source.unlink()
    with pytest.raises(InputError) as caught:
        score_on_engine(whole, engine_flags)
    told = explained(caught.value)
    assert isinstance(told, InputError)
    assert "in.csv" in told.received
