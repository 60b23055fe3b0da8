"""The key of a training: its whole data, the code it can import and what decides its steps; nothing else."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from belka.provenance import Record, write_provenance
from trainer_module.loop.checkpoints import run_key
from trainer_module.settings import parse_run_settings

BYTES = bytes(range(256)) * 2048  # 512 KiB: the middle is far from both ends


def key(files: list[Path], *, training: dict[str, Any] | None = None, **values: Any) -> str:
    return run_key(parse_run_settings({"mode": "clf", **values, "training": training or {}}), files, ("C", "N"))


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    folder = tmp_path / "examples"
    for split in ("train", "validation"):
        (folder / f"Split-{split}").mkdir(parents=True)
        (folder / f"Split-{split}" / "data-0.gz").write_bytes(BYTES)
    return folder


def files_of(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.gz"))


@pytest.mark.parametrize("with_provenance", [False, True])
def test_one_byte_in_the_middle_is_another_key(examples: Path, with_provenance: bool) -> None:
    if with_provenance:
        write_provenance(examples, Record(step="molecule-transform"))
    before = key(files_of(examples))
    changed = bytearray(BYTES)
    changed[len(BYTES) // 2] ^= 1
    (examples / "Split-train" / "data-0.gz").write_bytes(changed)
    assert key(files_of(examples)) != before


def test_the_digests_in_provenance_are_those_of_reading(examples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(files_of(examples))
    write_provenance(examples, Record(step="molecule-transform"))
    monkeypatch.setattr("belka.provenance.file_digest", lambda path: pytest.fail(f"{path} is read again"))
    assert key(files_of(examples)) == before


def test_another_loss_function_is_another_key(examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import belka.code_version as code_version_module

    for package in code_version_module._PACKAGES:
        shutil.copytree(code_version_module._ROOT / package, tmp_path / "tree" / package)
    original = code_version_module.code_version
    monkeypatch.setattr(
        "trainer_module.loop.checkpoints.code_version", lambda *names: original(*names, root=tmp_path / "tree")
    )
    before = key(files_of(examples))
    for name, same in (("losses/multi_label_loss.py", False), ("run_fn.py", False)):
        path = tmp_path / "tree" / "trainer_module" / name
        path.write_text(path.read_text() + "\n# another\n")
        after = key(files_of(examples))
        assert (after == before) is same
        before = after
    path = tmp_path / "tree" / "pipeline" / "steps.py"
    path.write_text(path.read_text() + "\n# another\n")
    assert key(files_of(examples)) == before


@pytest.mark.parametrize(
    "training",
    [
        {"epochs": 3},
        {"checkpoint_every_steps": 7},
        {"resume": False},
        {"device": "cpu"},
        {"stages": ["clf"]},
        {"mlm": {"batch_size": 4}},
    ],
)
def test_what_decides_no_step_is_in_no_key(examples: Path, training: dict[str, Any]) -> None:
    assert key(files_of(examples), training=training) == key(files_of(examples))


@pytest.mark.parametrize(
    "values",
    [
        {"training": {"learning_rate": 0.1}},
        {"training": {"clf": {"learning_rate": 0.1}}},
        {"training": {"patience": 2}},
        {"model": {"depth": 16}},
        {"seed": 1},
        {"targets": ["HSA"]},
        {"mode": "mlm"},
    ],
)
def test_what_decides_steps_is_in_the_key(examples: Path, values: dict[str, Any]) -> None:
    assert key(files_of(examples), **values) != key(files_of(examples))


def test_a_copy_elsewhere_has_the_same_key(examples: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(examples, tmp_path / "elsewhere"))
    assert key(files_of(copy), model_path="/a") == key(files_of(examples))
