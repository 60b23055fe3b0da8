"""What members read, and how a model's description tells its members."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from belka.errors import InputError
from belka.models.description import ModelDescription, read_description, write_description
from belka.models.members import MEMBERS, MemberKind, needs_blocks, needs_ecfp


def test_the_kinds_are_those_of_the_setting() -> None:
    assert tuple(MEMBERS) == get_args(MemberKind)


@pytest.mark.parametrize(
    ("members", "blocks", "ecfp"),
    [
        (("transformer",), False, False),
        (("transformer", "linear"), False, True),
        (("transformer", "kernel"), True, False),
        (("transformer", "trees"), True, False),
        (("transformer", "net"), True, False),
    ],
)
def test_what_members_read(members: tuple[str, ...], blocks: bool, ecfp: bool, tmp_path: Path) -> None:
    assert (needs_blocks(members), needs_ecfp(members)) == (blocks, ecfp)
    description = ModelDescription({"mode": "clf"}, members=members)
    write_description(tmp_path, description)
    assert read_description(tmp_path) == description
    assert (description.reads_blocks, description.reads_ecfp) == (blocks, ecfp)


def test_a_transformer_alone_is_described_as_before(tmp_path: Path) -> None:
    write_description(tmp_path, ModelDescription({"mode": "clf"}))
    content = json.loads((tmp_path / "belka.json").read_text())
    assert list(content) == ["model", "vocabulary", "targets", "ecfp", "code", "spelling", "rdkit"]
    assert read_description(tmp_path) == ModelDescription({"mode": "clf"})


def test_members_of_a_later_version_are_an_error(tmp_path: Path) -> None:
    write_description(tmp_path, replace(ModelDescription(), members=("transformer", "forest")))
    with pytest.raises(InputError, match="unknown members forest; known are transformer, linear"):
        read_description(tmp_path)


@pytest.mark.parametrize(
    "changed",
    [
        {"targets": ["A", "A"]},
        {"targets": [1, 2]},
        {"targets": "ab"},
        {"targets": ["\x1b[31mA"]},
        {"targets": ["a\nb"]},
        {"targets": ["A\n"]},
        {"members": ["transformer"] * 3},
        {"members": [{}]},
        {"members": []},
        {"vocabulary": ["C", "C"]},
        {"vocabulary": [1]},
        {"model": {"mode": "clf", "max_length": "x"}},
        {"model": {"mode": "clf", "max_length": -5}},
        {"model": {"mode": "clf", "max_length": True}},
        {"targets": ["A"], "calibration": {"slopes": [1, 1], "offsets": [0, 0], "molecules": [0, 0]}},
        {"calibration": {"slopes": [float("inf")], "offsets": [0], "molecules": [0]}},
        {"calibration": {"slopes": [1], "offsets": [float("nan")], "molecules": [0]}},
    ],
)
def test_what_no_training_writes_is_refused_in_one_answer(tmp_path: Path, changed: dict[str, Any]) -> None:
    (tmp_path / "belka.json").write_text(json.dumps({"model": {"mode": "clf"}, **changed}))
    with pytest.raises(InputError, match=r"The model's description cannot be read"):
        read_description(tmp_path)
