"""`belka benchmark` where a reference is not installed, or a folder not there."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from belka.errors import BelkaError, InputError
from benchmarks.cli import app, vocabulary


def test_a_reference_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "benchmarks.vocabulary", raising=False)
    monkeypatch.setitem(sys.modules, "atomInSmiles", None)
    with pytest.raises(InputError, match=r"not installed[\s\S]*atomInSmiles[\s\S]*make setup"):
        vocabulary(smiles=1, out=None)


@pytest.mark.parametrize("command", ["merge", "pipeline", "recipes"])
def test_a_folder_to_work_in_is_made_where_it_is_not_there(command: str, tmp_path: Path) -> None:
    raw, work = tmp_path / "no_raw_files", tmp_path / "not" / "there"
    result = CliRunner().invoke(app, [command, "--raw-dir", str(raw), "--work-dir", str(work)])
    assert work.is_dir()
    assert isinstance(result.exception, BelkaError)  # of the raw files, which is the next thing missing
    assert str(raw) in str(result.exception)
