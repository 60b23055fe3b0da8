"""Which fingerprints there are, which sizes they have, and how messages name them."""

from typing import Any

import pytest

from belka.chemistry.fingerprints import KEY_BITS, KINDS, FingerprintKind, FingerprintSettings, size_problem
from belka.errors import InputError


def test_a_description_without_a_kind_is_ecfp() -> None:
    assert FingerprintSettings(size=2048, radius=2, chirality=True).kind == "ecfp"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in KEY_BITS])
@pytest.mark.parametrize("size", [8, 168, 888, 2048])
def test_hashed_kinds_have_any_size(kind: FingerprintKind, size: int) -> None:
    assert size_problem(kind, size) == ""
    assert FingerprintSettings(size=size, radius=2, chirality=True, kind=kind).n_bytes == size // 8


@pytest.mark.parametrize(("kind", "size"), [("maccs", 168), ("pubchem", 888)])
def test_keys_have_one_size_and_the_message_names_it(kind: FingerprintKind, size: int) -> None:
    assert FingerprintSettings(size=size, radius=2, chirality=True, kind=kind).n_bytes == size // 8
    for other in (size - 8, size + 8, 2048):
        with pytest.raises(
            InputError, match=f"another size[\\s\\S]*ecfp_size={other}\n[\\s\\S]*set data.ecfp_size={size}"
        ):
            FingerprintSettings(size=other, radius=2, chirality=True, kind=kind)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "map4"}, r"unknown[\s\S]*'map4'[\s\S]*one of ecfp, fcfp, .*pubchem"),
        ({"size": 100}, "out of range[\\s\\S]*ecfp_size=100"),
        ({"size": 0, "kind": "avalon"}, "out of range[\\s\\S]*ecfp_size=0"),
        ({"radius": -1, "kind": "fcfp"}, "out of range[\\s\\S]*ecfp_radius=-1"),
    ],
)
def test_wrong_settings_are_errors(changes: dict[str, Any], message: str) -> None:
    settings: dict[str, Any] = {"size": 512, "radius": 2, "chirality": True} | changes
    with pytest.raises(InputError, match=message):
        FingerprintSettings(**settings)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (FingerprintSettings(size=2048, radius=2, chirality=True), "ECFP of 2048 bits, radius 2, with chirality"),
        (
            FingerprintSettings(size=64, radius=3, chirality=False, kind="fcfp"),
            "FCFP of 64 bits, radius 3, without chirality",
        ),
        (
            FingerprintSettings(size=64, radius=3, chirality=True, kind="atom_pair"),
            "atom pair of 64 bits, with chirality",
        ),
        (FingerprintSettings(size=168, radius=3, chirality=True, kind="maccs"), "MACCS of 168 bits"),
    ],
)
def test_the_description_names_what_changes_the_bits(settings: FingerprintSettings, text: str) -> None:
    assert settings.description == text
