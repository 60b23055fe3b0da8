"""A command that is typed wrongly ends with code 2, in the words of every other error."""

import pytest

from pipeline.cli.main import main


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["predct"], ["No such command 'predct'.", "received: predct", "Did you mean predict?", "See `belka --help`."]),
        (["clean", "--output-dri", "x"], ["No such option: --output-dri.", "Did you mean", "`belka clean --help`"]),
        (["--log-level", "LOUD", "clean"], ["received: LOUD", "expected: one of DEBUG, INFO, WARNING, ERROR"]),
        (["lineage"], ["Missing argument", "See `belka lineage --help`."]),
    ],
    ids=["command", "option", "choice", "argument"],
)
def test_wrong_use_is_told_with_what_is_right(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], told: list[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["belka", *words])
    assert main() == 2
    shown = capsys.readouterr().err
    for text in told:
        assert text in shown, shown
