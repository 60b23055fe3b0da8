"""What members read, and how a model's description tells its members."""

import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

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
