"""How blocks hang on the core, read from molecules and from what is bought, and the bits that they add."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rdkit import Chem

sys.path.insert(0, str(Path(__file__).parent))

from demo_tables import AMINES, FIRST, raw_rows, write_molecules  # type: ignore[import-not-found]

from belka.chemistry.blocks.fragment import block_places
from belka.chemistry.blocks.join import attached_text, join_blocks, text_of_attached
from belka.chemistry.direct import DirectFingerprints
from belka.chemistry.fingerprints import FingerprintSettings
from belka.chemistry.smiles import parse
from belka.chemistry.spelling import spell
from belka.contract import RAW_BLOCKS
from belka.demo.library import enumerate_product
from belka.enumeration.block_rows import learn_rows
from belka.enumeration.library import ProductBlock, ProductLibrary, make_library
from belka.enumeration.read_library import library_of_files, library_of_molecules, library_of_table
from belka.enumeration.reagents import UnclearBlockError, amine_text, first_text
from belka.errors import InputError


def text(fragment: str) -> str:
    found = text_of_attached(f"*{fragment}")
    assert found
    return found


def demo_library(n_first: int, n_amines: int) -> ProductLibrary:
    first = [ProductBlock(block.catalogue_smiles, block.fragment) for block in FIRST[:n_first]]
    amines = [ProductBlock(block.catalogue_smiles, block.fragment) for block in AMINES[-n_amines:]]
    return make_library((first, amines[:-2], amines[2:]))


def test_a_molecule_that_is_cut_and_joined_is_the_same() -> None:
    for i in range(0, 200, 3):
        smiles = enumerate_product(FIRST[i % len(FIRST)], AMINES[i % len(AMINES)], AMINES[(5 * i + 1) % len(AMINES)])
        molecule: Any = parse(smiles)
        (places,) = block_places(molecule)
        ordered = sorted(places, key=lambda place: not place.has_linker)
        texts = [attached_text(molecule, place) for place in ordered]
        assert join_blocks(*texts) == spell(molecule) == smiles
        assert texts[0] == text(FIRST[i % len(FIRST)].fragment)
        assert join_blocks(texts[0], texts[2], texts[1]) == smiles


def test_blocks_as_they_are_bought_hang_on_the_core_as_the_demo_says() -> None:
    assert [first_text(block.catalogue_smiles) for block in FIRST] == [text(block.fragment) for block in FIRST]
    assert [amine_text(block.catalogue_smiles) for block in AMINES] == [text(block.fragment) for block in AMINES]


@pytest.mark.parametrize(
    ("reader", "smiles", "reason"),
    [
        (amine_text, "NCCN", "2 nitrogens that could hang on the core"),
        (amine_text, "CCO", "0 nitrogens"),
        (amine_text, "CC(N)=O", "0 nitrogens"),
        (amine_text, "CCO*", r"no molecule with one \*"),
        (amine_text, "*NCN*", r"no molecule with one \*"),
        (amine_text, "*NCC(=O)N[Dy]", "a linker"),
        (amine_text, "C1CC", "unparsable"),
        (first_text, "NCC", "0 carboxylic acids"),
        (first_text, "OC(=O)C(N)CC(=O)O", "2 carboxylic acids"),
        (first_text, "*NCC(=O)O", "0 linkers"),
        (first_text, "NCC(N)C(=O)O", "2 nitrogens"),
    ],
)
def test_a_block_is_not_guessed_at(reader: Any, smiles: str, reason: str) -> None:
    with pytest.raises(UnclearBlockError, match=reason):
        reader(smiles)


def test_the_place_of_the_core_may_be_written() -> None:
    assert amine_text("C(N*)CN") == text("NCCN")
    assert first_text("[Dy]NC(=O)C(N)CN*") == text("NCC(N)C(=O)N[Dy]")


def test_a_library_has_each_molecule_once() -> None:
    library = demo_library(2, 7)
    products = {
        library.smiles(a, int(b), int(c))
        for a in range(2)
        for b in library.second
        for c in library.third
        if not library.is_repeated(b, c)
    }
    everything = {library.smiles(a, int(b), int(c)) for a in range(2) for b in library.second for c in library.third}
    assert products == everything
    assert len(products) == library.size == 2 * (5 * 5 - 3)


def test_blocks_that_hang_on_the_core_alike_count_once() -> None:
    first, salt, free = ProductBlock("A", "NCC(=O)N[Dy]"), ProductBlock("CCN.Cl", "NCC"), ProductBlock("CCN", "NCC")
    library = make_library(([first], [salt], [free]))
    assert library.amines == (free,)
    assert [(gone.position, gone.listed, gone.reason) for gone in library.left_out] == [
        (2, "CCN.Cl", "the same block as CCN")
    ]
    assert library.size == 1


def test_a_raw_table_and_a_molecules_table_give_the_same_blocks(tmp_path: Path) -> None:
    rows = raw_rows(120)
    rows[5] |= {RAW_BLOCKS[1]: "NCCCCCCCCCl"}  # listed with a block it does not hold
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "raw.parquet")
    write_molecules(tmp_path / "molecules", rows)
    for library in (library_of_table(tmp_path / "raw.parquet"), library_of_molecules(tmp_path / "molecules")):
        assert [block.text for block in library.first] == [
            text(block.fragment) for block in sorted(FIRST, key=lambda each: each.catalogue_smiles)
        ]
        assert (len(library.second), len(library.third)) == (20, 25)
        assert {library.amines[place].listed for place in library.second} == {
            block.catalogue_smiles for block in AMINES[:20]
        }
        ((position, listed, reason),) = library.left_out
        assert (position, listed) == (2, "NCCCCCCCCCl")
        assert "not the blocks it is listed with" in reason


def test_files_of_blocks_tell_what_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "first.smi").write_text("\n".join(block.catalogue_smiles for block in FIRST[:4]) + " name\n")
    (tmp_path / "amines.csv").write_text("smiles,name\nNCC#C,a\nNCCN,b\nC1CC,c\n*NCCN,d\n")
    library = library_of_files(tmp_path / "first.smi", *[tmp_path / "amines.csv"] * 2)
    assert [block.text for block in library.amines] == [text("NCCN"), text("NCC#C")]
    assert [(gone.position, gone.listed) for gone in library.left_out] == [
        (2, "NCCN"),
        (2, "C1CC"),
        (3, "NCCN"),
        (3, "C1CC"),
    ]
    (tmp_path / "amines.csv").write_text("smiles\nCCO\n")
    with pytest.raises(InputError, match=r"4, 0 and 0 blocks; CCO: 0 nitrogens"):
        library_of_files(tmp_path / "first.smi", *[tmp_path / "amines.csv"] * 2)


@pytest.mark.parametrize("settings", [FingerprintSettings(), FingerprintSettings(size=512, radius=1, chirality=False)])
def test_the_rows_of_three_blocks_are_rdkits_fingerprint(settings: FingerprintSettings) -> None:
    rows, library = learn_rows(demo_library(len(FIRST), len(AMINES)), settings)
    assert library.left_out == ()
    generator = np.random.default_rng(0)
    molecules = np.column_stack([generator.integers(size, size=150) for size in (len(FIRST), *[len(AMINES)] * 2)])
    smiles = [library.smiles(*row) for row in molecules.tolist()]
    plain = pa.record_batch({"smiles_no_linker": [each.replace("[Dy]", "[H]") for each in smiles]})
    np.testing.assert_array_equal(rows.packed(molecules), DirectFingerprints(settings).compute(plain).packed)


def test_a_block_with_two_ways_to_hang_on_the_core_counts_once() -> None:
    two = [ProductBlock("1", "NCCNC"), ProductBlock("2", "N(C)CCN"), ProductBlock("3", "NCC"), ProductBlock("4", "NC")]
    _, library = learn_rows(make_library(([ProductBlock("A", "NCC(=O)N[Dy]")], two, two)), FingerprintSettings())
    assert [block.listed for block in library.amines] == ["1", "3", "4"]
    assert "hangs on the core by another nitrogen" in library.left_out[0].reason


def test_fingerprints_that_are_no_union_are_refused() -> None:
    for settings in (FingerprintSettings(radius=3), FingerprintSettings(kind="fcfp")):
        with pytest.raises(InputError, match="ECFP of a radius of at most 2"):
            learn_rows(demo_library(2, 4), settings)


def test_the_text_of_a_block_keeps_its_stereo() -> None:
    assert Chem.CanonSmiles("*" + amine_text("C[C@H](N)c1ccccc1")) != Chem.CanonSmiles(
        "*" + amine_text("C[C@@H](N)c1ccccc1")
    )
