"""The command line itself: instant help, exit codes, messages without tracebacks."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli.options import build_config
from pipeline.cli.run import _stage_start

BELKA = Path(sys.executable).parent / "belka"
HEAVY = ("tensorflow", "tfx", "apache_beam", "rdkit", "pandas", "duckdb", "keras", "pydantic")


def _belka(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(BELKA), *arguments], capture_output=True, text=True, check=False)


def test_help_names_every_command() -> None:
    result = _belka("--help")
    assert result.returncode == 0
    for command in ("run", "step", "make-demo-data", "validate", "predict", "compile", "submit", "simulate", "config"):
        assert command in result.stdout


def test_start_up_imports_nothing_heavy() -> None:
    code = f"import sys, pipeline.cli.main; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--config", "none.yaml"], "The configuration file does not exist"),
        (["run", "--set", "training.epocs=3"], "training.epocs: unknown key"),
        (["run", "--from", "make_submission", "--to", "get_vocab"], "--from names a step after --to"),
        (["step", "get_vocab", "--mode", "clf"], "--mode goes with the step train_model only"),
        (["step", "train_model", "--mode", "xyz"], "--mode names a stage the configuration does not train"),
        (["step", "train_model", "--initial-epoch", "2"], "--model-path and --initial-epoch need the stage"),
        (["step", "train_model", "--mode", "clf", "--model-path", "absent"], "--model-path names no model"),
        (["step", "no_such_step"], "no_such_step"),
        (["no-such-command"], "no-such-command"),
        (["run", "--output-dir", "a[b]"], "The path of the output folder holds [, * or ?"),
    ],
)
def test_wrong_use_leaves_with_2_and_says_why(arguments: list[str], message: str) -> None:
    result = _belka(*arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_debug_prints_the_traceback() -> None:
    result = _belka("--log-level", "DEBUG", "run", "--config", "none.yaml")
    assert result.returncode == 2
    assert "Traceback" in result.stderr


def test_config_show_prints_overrides() -> None:
    assert "seed: 7\n" in _belka("config", "show", "--set", "system.seed=7").stdout


def test_where_a_stage_starts_is_part_of_the_configuration(tmp_path: Path) -> None:
    values = _stage_start("clf", tmp_path, 2)
    clf = build_config(None, overrides=values).training.clf
    assert clf.model_path == str(tmp_path)
    assert clf.initial_epoch == 2
