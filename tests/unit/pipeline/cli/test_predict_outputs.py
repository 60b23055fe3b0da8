"""Where `belka predict` would write is looked at before anything is scored."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from belka.errors import InputError
from pipeline.cli.main import app


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (("--explain", "why.json"), r"does not tell its format(.|\n)*why\.json"),
        (("--input", "in.csv", "--output", "out.xlsx"), r"does not tell its format(.|\n)*out\.xlsx"),
        (("--input", "in.csv", "--output", "a.csv", "--explain", "./a.csv"), "would replace the predictions"),
    ],
)
def test_a_file_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outputs: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [*outputs, *(() if "--input" in outputs else ("CCO",))]
    with pytest.raises(InputError, match=message):
        CliRunner().invoke(app, ["predict", "--model", "absent", *given], catch_exceptions=False)
    assert list(tmp_path.iterdir()) == []
