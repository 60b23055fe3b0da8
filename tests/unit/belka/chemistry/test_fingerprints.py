"""Which fingerprints there are, which sizes they have, and how messages name them."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from belka.chemistry.fingerprints import KINDS, FingerprintSettings
from belka.errors import InputError

DOCUMENT = Path(__file__).parents[4] / "docs" / "fingerprints.md"


def test_a_description_without_a_kind_is_ecfp() -> None:
    assert FingerprintSettings.model_validate({"size": 2048, "radius": 2, "chirality": True}).kind == "ecfp"


@pytest.mark.parametrize("kind", [kind for kind, row in KINDS.items() if row.n_keys is None])
@pytest.mark.parametrize("size", [8, 168, 888, 2048])
def test_hashed_kinds_have_any_size(kind: str, size: int) -> None:
    assert KINDS[kind].n_bits is None
    assert FingerprintSettings(kind=kind, size=size).n_bytes == size // 8


@pytest.mark.parametrize(("kind", "size"), [("maccs", 168), ("pubchem", 888)])
def test_keys_have_one_size_and_the_message_names_it(kind: str, size: int) -> None:
    assert KINDS[kind].n_bits == size
    assert FingerprintSettings(kind=kind, size=size).n_bytes == size // 8
    for other in (size - 8, size + 8, 2048):
        message = f"set fingerprint.size={size}, not {other}"
        with pytest.raises(ValidationError, match=message):
            FingerprintSettings(kind=kind, size=other)
        with pytest.raises(InputError, match=f"The fingerprint is not valid.[\\s\\S]*{message}"):
            parse({"kind": kind, "size": other})


@pytest.mark.parametrize(
    ("changes", "key", "message", "received"),
    [
        ({"kind": "map4"}, "kind", "unknown, expected one of ecfp, fcfp, .*pubchem", "'map4'"),
        ({"size": 100}, "size", "multiple of 8", "100"),
        ({"size": 0, "kind": "avalon"}, "size", "greater than or equal to 8", "0"),
        ({"radius": -1, "kind": "fcfp"}, "radius", "greater than or equal to 0", "-1"),
        ({"method": "fast"}, "method", "'auto' or 'direct'", "'fast'"),
    ],
)
def test_wrong_settings_are_errors(changes: dict[str, Any], key: str, message: str, received: str) -> None:
    settings: dict[str, Any] = {"size": 512, "radius": 2, "chirality": True} | changes
    with pytest.raises(ValidationError, match=message):
        FingerprintSettings(**settings)
    with pytest.raises(InputError, match=rf"received: {key}: .*{message} \(received {received}\)\n"):
        parse(settings)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "ECFP of 2048 bits, radius 2, with chirality"),
        ({"size": 64, "radius": 3, "chirality": False, "kind": "fcfp"}, "FCFP of 64 bits, radius 3, without chirality"),
        ({"size": 64, "radius": 3, "kind": "atom_pair"}, "atom pair of 64 bits, with chirality"),
        ({"size": 168, "radius": 3, "kind": "maccs"}, "MACCS of 168 bits"),
    ],
)
def test_the_description_names_what_changes_the_bits(settings: dict[str, Any], text: str) -> None:
    assert FingerprintSettings(**settings).description == text


def test_artifacts_hold_what_changes_the_bits_under_names_that_stay() -> None:
    stored = FingerprintSettings(kind="fcfp", size=64, radius=3, chirality=False, method="direct").stored()
    assert list(stored.items()) == [("size", 64), ("radius", 3), ("chirality", False), ("kind", "fcfp")]
    assert FingerprintSettings(**stored).stored() == stored


def test_the_document_lists_every_kind_with_what_the_table_says() -> None:
    rows = re.findall(
        r"^\| `(\w+)`.*? \| (.+?) \| (.+?) \| .+ \| `(\w+)[^|]*` \| ([\d,]+) \|$", DOCUMENT.read_text(), re.MULTILINE
    )
    expected = [
        (
            name,
            "any" if kind.n_keys is None else f"{kind.n_keys}, stored in {kind.n_bits}",
            ", ".join(["radius"] * kind.has_radius + ["chirality"] * kind.has_chirality) or "-",
            kind.generator,
            f"{kind.rate:,}",
        )
        for name, kind in KINDS.items()
    ]
    assert rows == expected


def parse(values: dict[str, Any]) -> FingerprintSettings:
    return FingerprintSettings.parse(values, source="the fingerprint", action="Correct it.")
