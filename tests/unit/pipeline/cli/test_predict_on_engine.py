"""`belka predict --set beam...`: workers of an engine score the file, and wrong use is told before."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from belka.errors import InputError
from pipeline.cli.main import app

FILES = ("--input", "in.csv", "--output", "out.csv")


def predict(*words: str) -> None:
    done = CliRunner().invoke(app, ["predict", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    "words",
    [
        ("CCO", "--set", "beam.runner=PortableRunner"),
        ("--input", "in.csv", "--set", "beam.runner=PortableRunner"),
        (*FILES, "--set", "model.depth=8"),
    ],
)
def test_an_engine_scores_a_file_into_a_file_and_reads_no_other_setting(words: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="An engine scores a file into a file"):
        predict("--model", "absent", *words)


def test_a_key_that_is_none_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"beam\.runer"):
        predict("--model", "absent", *FILES, "--set", "beam.runer=local")


def test_the_output_is_that_of_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.unit.belka.conftest import write_length_model

    monkeypatch.chdir(tmp_path)
    write_length_model(tmp_path / "model" / "17")
    Path("in.csv").write_text("smiles\n" + "".join(f"{'C' * (1 + n % 50)}\n" for n in range(75)))
    predict("--model", "model/17", "--input", "in.csv", "--output", "alone.csv")
    predict("--model", "model/17", *FILES, "--workers", "1", "--set", "beam.runner=local")
    assert Path("out.csv").read_bytes() == Path("alone.csv").read_bytes()


def test_events_are_alone_on_their_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.unit.belka.conftest import write_length_model

    monkeypatch.chdir(tmp_path)
    write_length_model(tmp_path / "model" / "17")
    Path("in.csv").write_text("smiles\nC\nCC\n")
    belka = [sys.executable, "-m", "belka", "predict", "--model", "model/17", "--log-format", "json"]
    files = [*FILES, "--workers", "1", "--set", "beam.runner=local", "--explain", "why.csv"]
    for words in (["CCO", "--explain", "few.csv"], files):
        done = subprocess.run([*belka, *words], capture_output=True, text=True, check=True)
        lines = done.stderr.splitlines()
        assert all(json.loads(line) for line in lines), lines
    assert lines
