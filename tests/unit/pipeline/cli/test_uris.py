"""Where a command takes no URI, or none of that scheme, it says so and makes no folder of that name."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.main import get_command

from belka.errors import InputError
from pipeline.cli.main import app
from pipeline.config.files import load_config_from_environment

BELKA = Path(sys.executable).parent / "belka"


def belka(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BELKA, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "BELKA_WORK_DIR": str(folder / "work")},
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--raw-dir", "ftp://host/raw"),
        ("run", "--output-dir", "http://host/run"),
        ("run", "--set", "data.raw_dir=hdfs://host/raw"),
        ("predict", "--model", "minio://bucket/model", "CCO"),
        ("predict", "--model", "model", "--input", "x.csv", "--output", "file:///y.csv"),
        ("report", "ftp://a/b", "c"),
        ("champion", "list", "--models", "ftp://a/b"),
    ],
)
def test_a_scheme_that_nothing_reads(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = belka(tmp_path, *arguments)
    assert done.returncode == 2, done.stderr
    assert "The scheme of a URI is not supported." in done.stderr
    assert "s3://" in done.stderr
    assert "gs://" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--metrics-file", "s3://bucket/belka.prom"),
        ("run", "--config", "s3://bucket/config.yaml"),
        ("train-worker", "--index", "0", "--workers", "1", "--address", "a:1", "--output-dir", "s3://bucket/run"),
        ("tune", "--raw-dir", "raw", "--output-dir", "s3://bucket/tuned", "--space", "space.yaml"),
        ("compile", "--out", "s3://bucket/pipeline.yaml"),
        ("simulate", "pipeline.yaml", "--work-dir", "gs://bucket/simulation"),
        ("benchmark", "merge", "--raw-dir", "s3://bucket/raw", "--work-dir", "s3://bucket/work"),
    ],
)
def test_where_only_a_path_will_do(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = belka(tmp_path, *arguments)
    assert done.returncode == 2, done.stderr
    assert "only a path will do" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_every_option_that_takes_a_path_knows_uris() -> None:
    """Else `s3://bucket/x` would be made as a folder here, named `s3:`."""
    unaware = [
        f"{name} {parameter.name}"
        for name, command in _commands(get_command(app), "belka")
        for parameter in command.params
        if (kind := getattr(parameter, "type_descriptor", None)) is not None
        and Path in {kind.annotation, *get_args(kind.annotation)}
        and kind.parameter_info.parser is None
    ]
    assert unaware == []


def _commands(group: Any, name: str) -> Iterator[tuple[str, Any]]:
    for each, command in getattr(group, "commands", {}).items():
        yield from _commands(command, f"{name} {each}")
    yield name, group


def test_a_pipeline_that_the_tfx_command_runs_takes_no_uris(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("data: {output_dir: 's3://bucket/run'}")
    with pytest.raises(InputError, match="only a path will do"):
        load_config_from_environment({"BELKA_CONFIG": str(file)})


def test_the_configuration_is_shown_with_uris_and_without_a_store(tmp_path: Path) -> None:
    done = belka(tmp_path, "config", "show", "--raw-dir", "s3://bucket/raw/", "--output-dir", "gs://bucket/run")
    assert done.returncode == 0, done.stderr
    assert "raw_dir: s3://bucket/raw\n" in done.stdout
    assert "output_dir: gs://bucket/run\n" in done.stdout


def test_help_needs_no_store_client() -> None:
    code = (
        "import sys; import pipeline.cli.main; "
        "assert not {'pyarrow', 'pydantic', 'tfx'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
