"""The feature `blocks` composed from licensed rows is that computed from each SMILES, byte by byte."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from rdkit import Chem

from belka.chemistry.blocks.compose import ComposedEcfp, fingerprint_source
from belka.chemistry.blocks.compose_feature import ComposedBlocks, blocks_source
from belka.chemistry.blocks.feature import BLOCKS_ECFP, BlockBits, DirectBlocks
from belka.chemistry.blocks.row_tables import load_tables
from belka.chemistry.direct import DirectFingerprints
from belka.chemistry.fingerprints import FingerprintSettings
from belka.demo.blocks import amine_blocks, amino_acid_blocks
from belka.demo.library import enumerate_product
from belka.errors import BelkaError
from components.block_fingerprints.learn import learn_block_fingerprints

PROPYL, ISOPROPYL = "CCCN", "CC(C)N"
GLYCINE = "O=C(O)CNC(=O)OCC1c2ccccc2-c2ccccc21"
INNER = {"CNc1nc(NC)nc(NCCN)n1": "NCCNc7nc(NC)nc(NC)n7"}  # a block that holds a core itself


@pytest.fixture(scope="module")
def folder(library: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(library.write(tmp_path_factory.mktemp("library")))


@pytest.fixture(scope="module")
def learnt(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tables")
    learn_block_fingerprints(folder, out, BLOCKS_ECFP, n_workers=1)
    return out


def both(library: Any, learnt: Path) -> tuple[BlockBits, BlockBits]:
    """The composed and the direct feature of molecules of a library."""
    batch = library.molecules.combine_chunks().to_batches()[0]
    source = ComposedEcfp(load_tables(learnt), library.catalogue)
    found = source.compute(batch)
    return blocks_source(source).compute(batch, found), DirectBlocks().compute(batch)


def assert_equal(composed: BlockBits, direct: BlockBits) -> None:
    assert composed.is_known.tolist() == direct.is_known.tolist()
    assert (composed.packed == direct.packed).all()


def test_every_molecule_of_a_library_is_composed(library: Any, learnt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = library.molecules.combine_chunks().to_batches()[0]
    direct = DirectBlocks().compute(batch)
    assert direct.is_known.all()
    assert len({row.tobytes() for row in direct.packed}) == 4 * 7 * 8 // 2  # symmetric in the amines
    source = ComposedEcfp(load_tables(learnt), library.catalogue)
    found = source.compute(batch)
    seen: list[int] = []
    compute = DirectBlocks.compute

    def counted(self: DirectBlocks, part: pa.RecordBatch) -> BlockBits:
        seen.append(part.num_rows)
        return compute(self, part)

    monkeypatch.setattr(DirectBlocks, "compute", counted)
    assert_equal(blocks_source(source).compute(batch, found), direct)
    assert found.checked is not None
    assert sum(seen) == found.checked.sum() < batch.num_rows / 4


def test_molecules_of_the_demo_are_composed(build_library: Callable[..., Any], tmp_path: Path) -> None:
    first, amines = amino_acid_blocks(), amine_blocks()
    triples = np.random.default_rng(3).integers((0, 0, 0), (len(first), len(amines), len(amines)), (400, 3)).tolist()
    catalogue = sorted({block.catalogue_smiles for block in (*first, *amines)})
    rows = []
    for a, b, c in triples:
        blocks = (first[a], amines[b], amines[c])
        rows.append((enumerate_product(*blocks), *(catalogue.index(block.catalogue_smiles) for block in blocks)))
    library = build_library(catalogue, rows)
    summary = learn_block_fingerprints(
        library.write(tmp_path / "molecules"), tmp_path / "out", BLOCKS_ECFP, n_workers=1
    )
    assert summary["blocks"] > len(catalogue) * 0.9
    composed, direct = both(library, tmp_path / "out")
    assert direct.is_known.all()
    assert_equal(composed, direct)


def test_what_is_not_licensed_or_has_no_linker_is_computed_directly(
    library: Any, learnt: Path, build_library: Callable[..., Any]
) -> None:
    known = [library.catalogue.index(block) for block in (GLYCINE, "C#CCN", "NC1CC1")]
    smiles = "C#CCNc1nc(NC2CC2)nc(NCC(=O)N[Dy])n1"
    other = build_library(
        [*library.catalogue, "NC1CCC1"],
        [
            (smiles, *known),
            (smiles.replace("[Dy]", "[H]"), *known),  # the linker is written as a hydrogen: nobody knows where it was
            ("C#CCNc1nc(NC2CCC2)nc(NCC(=O)N[Dy])n1", known[0], known[1], len(library.catalogue)),
            ("CNC(=O)NC", None, None, None),
            ("C1CC", *known),
            (smiles, known[0], known[2], known[1]),
        ],
    )
    composed, direct = both(other, learnt)
    assert composed.is_known.tolist() == [True, False, True, False, False, True]
    assert_equal(composed, direct)


def test_a_block_that_holds_a_core_makes_the_cut_ambiguous_as_it_does_directly(
    build_library: Callable[..., Any], tmp_path: Path
) -> None:
    texts = {"CCN": "NCC", "CCCN": "NCCC", "C#CCN": "NCC#C", **INNER}
    catalogue = sorted([GLYCINE, *texts])
    rows = [
        (
            Chem.CanonSmiles(f"c1({texts[b]})nc({texts[c]})nc(NCC(=O)N[Dy])n1").replace("[NH][Dy]", "N[Dy]"),
            *(catalogue.index(block) for block in (GLYCINE, b, c)),
        )
        for b in texts
        for c in texts
    ]
    library = build_library(catalogue, rows)
    learn_block_fingerprints(library.write(tmp_path / "molecules"), tmp_path / "out", BLOCKS_ECFP, n_workers=1)
    (inner,) = INNER
    tables = load_tables(tmp_path / "out")
    assert inner in {row.block for row in tables.blocks}  # whose fingerprint is composed all the same
    composed, direct = both(library, tmp_path / "out")
    holds = [catalogue.index(inner) in row[2:] for row in rows]
    assert [not known for known in composed.is_known] == holds
    assert_equal(composed, direct)


def test_a_checked_molecule_with_other_blocks_stops_the_composition(
    library: Any, learnt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("belka.chemistry.blocks.compose.CHECKED_SHARE", 1)
    tables = load_tables(learnt)
    batch = library.molecules.combine_chunks().to_batches()[0]
    found = ComposedEcfp(tables, library.catalogue).compute(batch)
    assert found.rows is not None
    blocks = [row.block for row in tables.blocks]
    row = library.row_of(GLYCINE, "C#CCN", PROPYL)
    found.rows[row, 2] = blocks.index(ISOPROPYL)
    with pytest.raises(BelkaError, match=f"molecule {row}: "):
        ComposedBlocks(tables, library.catalogue).compute(batch, found)


@pytest.mark.parametrize(
    "settings", [FingerprintSettings(size=1024), FingerprintSettings(radius=1), FingerprintSettings(kind="fcfp")]
)
def test_rows_of_another_fingerprint_are_not_used(settings: FingerprintSettings, folder: Path, tmp_path: Path) -> None:
    learn_block_fingerprints(folder, tmp_path, settings, n_workers=1)
    assert isinstance(blocks_source(fingerprint_source(settings, tmp_path, folder)), DirectBlocks)
    assert isinstance(blocks_source(DirectFingerprints(BLOCKS_ECFP)), DirectBlocks)
