"""Every kind of fingerprint equals its class of scikit-fingerprints bit by bit; unreadable molecules are refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from skfp import fingerprints as skfp

from belka.chemistry.direct import DirectFingerprints, Fingerprints, skfp_packer
from belka.chemistry.fingerprints import KINDS, FingerprintSettings
from belka.chemistry.smiles import parse

LIBRARY = [
    "C#CCNc1nc(NC2CC2)nc(N[C@@H](Cc2ccc(Cl)cc2)C(=O)N[H])n1",
    "C#CCNc1nc(NC2CC2)nc(N[C@H](Cc2ccc(Cl)cc2)C(=O)N[H])n1",
    "CC(F)(F)CNc1nc(Nc2ccccc2)nc(NCC(=O)N[H])n1",
    "O=C(N[H])C[C@@H](Cc1ccccc1)Nc1nc(NCc2cn(C)nc2)nc(Nc2ccc3ncsc3c2)n1",
    "C",
    "[Na+].[Cl-]",
]
UNREADABLE: dict[str | None, str] = {"": "empty SMILES", None: "empty SMILES", "C1CC": "unparsable SMILES"}
# What each kind is, written out once more, with none of the code under test.
CLASSES: dict[str, Callable[[int, int, bool], Any]] = {
    "ecfp": lambda size, radius, chirality: skfp.ECFPFingerprint(
        fp_size=size, radius=radius, include_chirality=chirality
    ),
    "fcfp": lambda size, radius, chirality: skfp.ECFPFingerprint(
        fp_size=size, radius=radius, include_chirality=chirality, use_pharmacophoric_invariants=True
    ),
    "atom_pair": lambda size, _, chirality: skfp.AtomPairFingerprint(fp_size=size, include_chirality=chirality),
    "topological_torsion": lambda size, _, chirality: skfp.TopologicalTorsionFingerprint(
        fp_size=size, include_chirality=chirality
    ),
    "rdkit": lambda size, *_: skfp.RDKitFingerprint(fp_size=size),
    "avalon": lambda size, *_: skfp.AvalonFingerprint(fp_size=size),
    "maccs": lambda *_: skfp.MACCSFingerprint(),
    "pubchem": lambda *_: skfp.PubChemFingerprint(),
}
KEYS = {"maccs": (166, 168), "pubchem": (881, 888)}
CASES: list[tuple[str, int, int, bool]] = [
    (kind, KEYS[kind][1] if kind in KEYS else size, radius, chirality)
    for kind in KINDS
    for size, radius, chirality in ((2048, 2, True), (512, 3, False))
]


def compute(smiles: list[str | None], settings: FingerprintSettings) -> Fingerprints:
    return DirectFingerprints(settings).compute(pa.record_batch({"smiles_no_linker": pa.array(smiles, pa.string())}))


def unpacked(result: Fingerprints) -> NDArray[np.uint8]:
    return np.unpackbits(result.packed, axis=1)


@pytest.mark.parametrize(("kind", "size", "radius", "chirality"), CASES)
def test_bits_equal_the_class_of_scikit_fingerprints(kind: str, size: int, radius: int, chirality: bool) -> None:
    rows = [*LIBRARY[:2], *UNREADABLE, *LIBRARY[2:]]
    result = compute(rows, FingerprintSettings(kind=kind, size=size, radius=radius, chirality=chirality))
    expected = CLASSES[kind](size, radius, chirality).transform(LIBRARY)
    n_bits = KEYS.get(kind, (size, size))[0]
    bits = unpacked(result)
    assert bits.shape == (len(rows), size)
    assert expected.shape == (len(LIBRARY), n_bits)
    readable = [row not in UNREADABLE for row in rows]
    assert bits[readable, :n_bits].tolist() == expected.tolist()
    assert not bits[:, n_bits:].any()
    assert not bits[np.logical_not(readable)].any()
    assert result.rejected == {2: "empty SMILES", 3: "empty SMILES", 4: "unparsable SMILES"}
    assert not result.composed.any()
    assert len(result.composed) == len(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_only_some_kinds_see_stereo_centres(kind: str) -> None:
    # In 2048 bits those of atom pairs collide: https://github.com/rdkit/rdkit/issues/2428
    size = KEYS[kind][1] if kind in KEYS else 4096
    one, other, *_ = unpacked(compute([*LIBRARY], FingerprintSettings(kind=kind, size=size)))
    assert (one != other).any() == KINDS[kind].has_chirality
    flat = unpacked(compute([*LIBRARY], FingerprintSettings(kind=kind, size=size, chirality=False)))
    assert (flat[0] == flat[1]).all()


def test_ecfp_is_what_the_faster_way_computes() -> None:
    settings = FingerprintSettings(size=1024)
    fast = compute([*LIBRARY, "C1CC", ""], settings)
    assert (fast.packed[:-2] == skfp_packer(settings)([parse(smiles) for smiles in LIBRARY])).all()
    assert fast.rejected == {6: "unparsable SMILES", 7: "empty SMILES"}


def test_rows_keep_their_places_over_several_chunks() -> None:
    rows: list[str | None] = ["C" * (1 + i % 7) for i in range(2100)]
    bad = {0: "", 31: "", 32: "C1CC", 1023: "C1CC", 1024: None, 2047: "", 2048: "not a smiles", 2099: "C1CC"}
    for row, text in bad.items():
        rows[row] = text
    result = compute(rows, FingerprintSettings(kind="maccs", size=168))
    alkanes = np.packbits(skfp.MACCSFingerprint().transform(["C" * n for n in range(1, 8)]), axis=1)
    expected = alkanes[np.arange(2100) % 7]
    expected[list(bad)] = 0
    assert (result.packed == expected).all()
    assert sorted(result.rejected) == sorted(bad)


def test_a_batch_without_a_readable_row_and_an_empty_one() -> None:
    settings = FingerprintSettings(kind="avalon", size=256)
    refused = compute([*UNREADABLE], settings)
    assert refused.rejected == dict(enumerate(UNREADABLE.values()))
    assert refused.packed.shape == (3, 32)
    assert not refused.packed.any()
    empty = compute([], settings)
    assert (empty.packed.shape, empty.rejected, empty.composed.shape) == ((0, 32), {}, (0,))
