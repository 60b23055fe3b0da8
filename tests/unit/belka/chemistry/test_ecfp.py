"""ECFP of RDKit equals scikit-fingerprints bit by bit and refuses what RDKit cannot read."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from skfp.fingerprints import ECFPFingerprint

from belka.chemistry.direct import DirectFingerprints
from belka.chemistry.fingerprints import FingerprintSettings

SAMPLE = Path(__file__).parents[4] / "../shared/data/leash_sample"


def compute(smiles: list[str | None], settings: FingerprintSettings) -> tuple[np.ndarray, dict[int, str]]:
    batch = pa.record_batch({"smiles_no_linker": pa.array(smiles, pa.string())})
    result = DirectFingerprints(settings).compute(batch)
    return np.unpackbits(result.packed, axis=1), result.rejected


@pytest.mark.parametrize(
    ("size", "radius", "chirality"), [(2048, 2, True), (1024, 3, False), (40, 0, True), (8, 2, True)]
)
def test_bits_equal_scikit_fingerprints(size: int, radius: int, chirality: bool) -> None:
    smiles = [
        "C",
        "N[H]",
        "C[C@@H](N)C(=O)O",
        "C[C@H](N)C(=O)O",
        "C1=CC=CC=C1",
        "c1ccccc1",
        "F/C=C/F",
        "CN(=O)=O",
        "[Na+].[Cl-]",
    ]
    bits, rejected = compute(list(smiles), FingerprintSettings(size=size, radius=radius, chirality=chirality))
    expected = ECFPFingerprint(fp_size=size, radius=radius, include_chirality=chirality).transform(smiles)
    assert bits.tolist() == expected.tolist()
    assert rejected == {}


def test_kekule_and_aromatic_spellings_agree_and_enantiomers_differ() -> None:
    smiles: list[str | None] = ["C1=CC=CC=C1", "c1ccccc1", "C[C@@H](N)C(=O)O", "C[C@H](N)C(=O)O"]
    bits, _ = compute(smiles, FingerprintSettings())
    assert (bits[0] == bits[1]).all()
    assert (bits[2] != bits[3]).any()


def test_what_rdkit_cannot_read_is_refused_with_a_reason() -> None:
    smiles = ["C", "", None, "C1CC", "c1cccc1", "C(C)(C)(C)(C)C", "N", " "]
    bits, rejected = compute(smiles, FingerprintSettings())
    assert rejected == {
        1: "empty SMILES",
        2: "empty SMILES",
        3: "unparsable SMILES",
        4: "unparsable SMILES",
        5: "unparsable SMILES",
        7: "empty SMILES",
    }
    assert bits[[1, 2, 3, 4, 5, 7]].sum() == 0
    assert (bits[[0, 6]].sum(axis=1) > 0).all()


def test_empty_batch() -> None:
    bits, rejected = compute([], FingerprintSettings())
    assert bits.shape == (0, 2048)
    assert rejected == {}


@pytest.mark.skipif(not SAMPLE.exists(), reason="the real sample is not beside the checkout")
def test_2000_real_molecules_equal_scikit_fingerprints() -> None:
    column = pq.read_table(SAMPLE / "train.parquet")["molecule_smiles"].unique().to_pylist()
    smiles = [text.replace("[Dy]", "[H]") for text in column[::20][:2000]]
    assert len(smiles) == 2000
    bits, rejected = compute(list(smiles), FingerprintSettings())
    expected = ECFPFingerprint(fp_size=2048, radius=2, include_chirality=True).transform(smiles)
    assert (bits == expected).all()
    assert rejected == {}
