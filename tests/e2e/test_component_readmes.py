"""What components/*/README.md says about running each component alone works on the demo's data."""

import importlib
import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from belka.contract import DEFAULT_TARGETS, VOCAB_FILE

if TYPE_CHECKING:
    from tests.e2e.conftest import Demo

REPOSITORY = Path(__file__).parents[2]
READMES = {path.parent.name: path.read_text(encoding="utf-8") for path in REPOSITORY.glob("components/*/README.md")}
COMMANDS = sorted({command for text in READMES.values() for command in re.findall(r"`(belka step [^`]+)`", text)})


def _run_python(component: str, **values: object) -> Any:
    found = re.search(r"in Python: `([^`]+)` from `([^`]+)`", READMES[component])
    assert found is not None, component
    names = {**vars(importlib.import_module(found[2])), "Path": Path, **values}
    return eval(found[1], names)  # noqa: S307 - a line of our own documentation


def _newest(output: Path, artifact: str) -> Path:
    return max((output / "pipeline_root" / artifact).iterdir(), key=lambda path: int(path.name))


def test_every_component_has_a_readme_with_a_command() -> None:
    folders = {path.parent.name for path in REPOSITORY.glob("components/*/__init__.py")}
    assert folders == READMES.keys()
    assert all(re.search(r"^- Alone: `belka step ", text, re.MULTILINE) for text in READMES.values())


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_command_runs(demo: "Demo", command: str) -> None:
    arguments = shlex.split(command)[1:]
    assert arguments[2:] == ["--raw-dir", "data", "--output-dir", "output"]
    done = demo.run(*arguments[:2], *demo.arguments())
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_lines_of_python_run(demo: "Demo", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data").symlink_to(demo.raw)
    output = demo.output
    for component in ("parquet_merge", "block_statistics", "smiles_vocab", "block_fingerprints", "molecule_transform"):
        _run_python(component)
    vocabulary = _newest(output, "smiles-vocab/vocabulary") / VOCAB_FILE
    assert (Path("vocabulary") / VOCAB_FILE).read_bytes() == vocabulary.read_bytes()
    assert sorted(path.name for path in Path("examples").iterdir()) == [
        "Split-test",
        "Split-train",
        "Split-validation",
        "counts.json",
    ]
    drift = _newest(output, "distribution-validator/anomalies")
    assert _run_python("data_validation", matches=_newest(output, "example-validator/anomalies"), drift=drift) == []
    _run_python(
        "affinity_evaluator",
        model=_newest(output, "trainer-clf/model") / "Format-Serving",
        examples_files=sorted((_newest(output, "molecule-transform/examples") / "Split-validation").glob("data*")),
        targets=DEFAULT_TARGETS,
    )
    ensemble = importlib.import_module("components.ensemble.train")
    _run_python(
        "ensemble",
        examples_dir=_newest(output, "molecule-transform/examples"),
        clf_model=_newest(output, "trainer-clf/model"),
        request=ensemble.EnsembleRequest(
            ("transformer", "linear"), DEFAULT_TARGETS, ensemble.EnsembleSettings(rounds=2), seed=1
        ),
    )
    assert (Path("ensemble") / "saved_model.pb").is_file()
    evaluation = _newest(output, "affinity-evaluator/evaluation") / "evaluation.json"
    assert (
        json.loads(Path("evaluation/evaluation.json").read_text()).keys() <= json.loads(evaluation.read_text()).keys()
    )
    release = _newest(output, "affinity-evaluator/blessing") / "release"
    pushed = _run_python("model_pusher", model=_newest(output, "trainer-clf/model") / "Format-Serving", release=release)
    assert (Path.cwd() / pushed / "model_card.md").is_file()
    refused = [_newest(output, folder) for folder in ("parquet-merge/molecules", "molecule-transform/rejected")]
    _run_python(
        "submission_writer",
        predictions=_newest(output, "bulk-inferrer/output_examples"),
        rejected=[folder / "rejected.parquet" for folder in refused],
    )
    assert Path("submission.csv").read_bytes() == (output / "submission.csv").read_bytes()
