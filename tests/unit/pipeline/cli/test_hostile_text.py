"""What raw files and messages hold never reaches the terminal as commands."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.main import app, main

ESCAPE = "\x1b]0;owned\x07"


def test_validate_shows_a_hostile_cell(tmp_path: Path) -> None:
    header = "id,buildingblock1_smiles,buildingblock2_smiles,buildingblock3_smiles,molecule_smiles,protein_name,binds\n"
    row = f"1,C,C,C,CC{ESCAPE}(,sEH,0\n"
    good = "".join(f"{n},C,C,C,{'C' * n}[Dy],sEH,{n % 2}\n" for n in range(2, 9))
    (tmp_path / "train.csv").write_text(header + row + good, encoding="utf-8")
    shown = CliRunner().invoke(app, ["validate", "--raw-dir", str(tmp_path)])
    assert "\x1b" not in shown.output
    assert "\\x1b]0" in shown.output.replace("\n", "")


def test_an_error_shows_a_hostile_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["belka", "config", "show", "--config", f"{ESCAPE}.yaml"])
    assert main() == 2
    shown = capsys.readouterr().err
    assert "\x1b" not in shown
    assert "\\x1b]0;owned\\x07.yaml" in shown
