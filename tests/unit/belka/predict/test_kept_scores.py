"""Prediction that was stopped goes on with the scores that it had, and never takes those of something else."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from belka.models.folder import open_model_folder
from belka.predict import chunks as module
from belka.predict import input_table as tables
from belka.predict.check import CheckedSmiles
from belka.predict.kept_scores import KeptScores
from belka.predict.predict import predict_file
from belka.predict.predictor import Predictor, score_checked

ROWS = ["C" * (1 + n % 50) if n % 9 else "C1" for n in range(70)]


class StoppedError(Exception):
    """In the place of a kill."""


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the chunks that are scored; chunks have ten rows."""
    monkeypatch.setattr(tables, "CHUNK_ROWS", 10)
    sizes: list[int] = []

    def count(checked: Sequence[CheckedSmiles], predictor: Predictor) -> list[object]:
        sizes.append(len(checked))
        return score_checked(checked, predictor)

    monkeypatch.setattr(module, "score_checked", count)
    return sizes


def _write(path: Path, rows: Sequence[str]) -> Path:
    path.write_text("smiles\n" + "".join(f"{text}\n" for text in rows))
    return path


def _stop_after(rows: int) -> Callable[[int], None]:
    def look(written: int) -> None:
        if written >= rows:
            raise StoppedError

    return look


def _stopped(model: Path, folder: Path) -> None:
    """A prediction that ends after four chunks."""
    with pytest.raises(StoppedError):
        predict_file(model, folder / "in.csv", folder / "out.csv", n_workers=1, on_progress=_stop_after(40))


def test_it_goes_on_where_it_was(length_model: Path, tmp_path: Path, counted: list[int]) -> None:
    _write(tmp_path / "in.csv", ROWS)
    whole = predict_file(length_model, tmp_path / "in.csv", tmp_path / "whole.csv", n_workers=1)
    counted.clear()
    _stopped(length_model, tmp_path)
    assert counted == [10] * 4
    assert not (tmp_path / "out.csv").exists()
    done = predict_file(length_model, tmp_path / "in.csv", tmp_path / "out.csv", n_workers=1)
    assert counted == [10] * 8, "of seven chunks three were known; the first is not kept"
    assert done == whole
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} >= {"in.csv", "out.csv", "whole.csv"}
    assert not list(tmp_path.glob(".*")), "what was kept is removed"


@pytest.mark.parametrize("change", ["a text", "a model", "the reading of salts", "a damaged file"])
def test_what_changed_is_scored_anew(length_model: Path, tmp_path: Path, counted: list[int], change: str) -> None:
    _write(tmp_path / "in.csv", ROWS)
    model = tmp_path / "model"
    shutil.copytree(length_model, model)
    _stopped(model, tmp_path)
    counted.clear()
    salts, known = False, 0
    if change == "a text":
        _write(tmp_path / "in.csv", [*ROWS[:12], "CCO", *ROWS[13:]])
        known = 2
    elif change == "a model":
        (model / "assets").mkdir(exist_ok=True)
        (model / "assets" / "other").write_text("other")
    elif change == "a damaged file":
        for file in tmp_path.glob(".out.csv.scored/*"):
            content = bytearray(file.read_bytes())
            content[len(content) // 2] ^= 1
            file.write_bytes(content)
    else:
        salts = True
    predict_file(model, tmp_path / "in.csv", tmp_path / "out.csv", n_workers=1, standardise=salts)
    assert counted == [10] * (7 - known)
    predict_file(model, tmp_path / "in.csv", tmp_path / "whole.csv", n_workers=1, standardise=salts)
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_of_a_single_chunk_nothing_is_kept(length_model: Path, tmp_path: Path, counted: list[int]) -> None:
    _write(tmp_path / "in.csv", ROWS[:10])
    predict_file(length_model, tmp_path / "in.csv", tmp_path / "out.csv", n_workers=1)
    with pytest.raises(StoppedError):
        predict_file(length_model, tmp_path / "in.csv", tmp_path / "o.csv", n_workers=1, on_progress=_stop_after(1))
    assert {path.name for path in tmp_path.iterdir()} == {"in.csv", "out.csv"}
    assert counted == [10, 10]


def test_names_tell_missing_texts_and_their_places_apart(length_model: Path, tmp_path: Path) -> None:
    kept = KeptScores(open_model_folder(length_model), tmp_path / "out.csv", code="1", standardise=False)
    chunks: list[list[str | None]] = [["C", "CC"], ["CC", "C"], ["CCC", ""], ["", "CCC"], [None, "CCC"]]
    chunks += [["-", "CCC"], ["C", "C", "C"]]
    names = [kept.name(texts, [None] * len(texts)) for texts in chunks]
    names.append(kept.name(["C", "CC"], [None, "line 3: two cells"]))
    assert len(set(names)) == len(names)
    assert names[:7] == [kept.name(texts, [None] * len(texts)) for texts in chunks]
