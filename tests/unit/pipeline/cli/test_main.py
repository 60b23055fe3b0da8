"""The command line itself: instant help, exit codes, messages without tracebacks."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from belka.errors import BelkaError
from belka.exit_codes import MEANINGS, ExitCode
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
        (["step", "no_such_step"], "received: no_such_step"),
        (["step", "train_modle"], "Did you mean train_model? See `belka step --help`."),
        (["run", "--from", "get_vocb"], "Did you mean get_vocab?"),
        (["run", "--set", "training.epocs=3"], "unknown key. Did you mean training.epochs"),
        (["run", "--set", "trainig.epochs=3"], "trainig: unknown key. Did you mean training"),
        (["run", "--confg", "x"], "No such option: --confg.\n  received: --confg\n  to do: Did you mean --config?"),
        (["no-such-command"], "No such command 'no-such-command'."),
        (["runn"], "Did you mean run? See `belka --help`."),
        (["step"], "Missing argument 'STEP'. Choose from: generate_parquet, get_vocab,"),
        (["run", "--set"], "Option '--set' requires an argument."),
        (["run", "--output-dir", "a[b]"], "The path of the output folder holds [, * or ?"),
    ],
)
def test_wrong_use_leaves_with_2_and_says_why(arguments: list[str], message: str) -> None:
    result = _belka(*arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_without_a_command_the_help_is_shown_and_it_was_wrong_use() -> None:
    result = _belka()
    assert result.returncode == ExitCode.WRONG_INPUT
    assert "make-demo-data" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize("arguments", [["-h"], ["--help"], ["run", "-h"]])
def test_help_lists_the_exit_codes(arguments: list[str]) -> None:
    lines = [line.strip() for line in _belka(*arguments).stdout.splitlines()]
    assert {f"{code}  {meaning}" for code, meaning in MEANINGS.items()} <= set(lines)


def test_version() -> None:
    assert _belka("--version").stdout.startswith(f"belka {metadata.version('belka')} (Python 3.")


@pytest.mark.parametrize("arguments", ["--help", "run --help", "config show --explain"])
def test_a_reader_that_goes_away_ends_the_command_quietly(arguments: str) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{BELKA} {arguments} | read -r; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert int(done.stdout) in {ExitCode.DONE, ExitCode.READER_GONE}  # DONE where all fits into the pipe


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_names_commands_and_steps(shell: str) -> None:
    environment = {**os.environ, "_BELKA_COMPLETE": f"complete_{shell}"}
    for typed, expected in (("belka make-", "make-demo-data"), ("belka step train", "train_model")):
        words = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1), "_TYPER_COMPLETE_ARGS": typed}
        done = subprocess.run([str(BELKA)], capture_output=True, text=True, check=False, env={**environment, **words})
        assert expected in done.stdout


def test_every_error_ends_in_a_code_that_is_explained() -> None:
    kinds: list[type[BelkaError]] = [BelkaError, *_below(BelkaError)]
    assert {kind.exit_code for kind in kinds} <= {int(code) for code in MEANINGS}
    assert MEANINGS.keys() == set(ExitCode)


def _below(kind: type[BelkaError]) -> list[type[BelkaError]]:
    return [each for below in kind.__subclasses__() for each in (below, *_below(below))]


def test_the_page_about_a_run_has_the_codes_as_they_are() -> None:
    page = (Path(__file__).parents[4] / "docs" / "running.md").read_text(encoding="utf-8")
    table = "".join(f"| {code} | {meaning} |\n" for code, meaning in MEANINGS.items())
    assert f"| code | meaning |\n|---|---|\n{table}\n" in page


def test_debug_prints_the_traceback() -> None:
    result = _belka("--log-level", "DEBUG", "run", "--config", "none.yaml")
    assert result.returncode == 2
    assert "Traceback" in result.stderr


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_an_error_tells_no_secret(level: str) -> None:
    result = _belka("--log-level", level, "run", "--config", "https://me:hunter2@host/x.yaml")
    assert result.returncode == ExitCode.WRONG_INPUT
    assert "hunter2" not in result.stderr
    assert "[hidden]" in result.stderr


def test_config_show_prints_overrides() -> None:
    assert "seed: 7\n" in _belka("config", "show", "--set", "system.seed=7").stdout


def test_where_a_stage_starts_is_part_of_the_configuration(tmp_path: Path) -> None:
    values = _stage_start("clf", tmp_path, 2)
    clf = build_config(None, overrides=values).training.clf
    assert clf.model_path == str(tmp_path)
    assert clf.initial_epoch == 2
