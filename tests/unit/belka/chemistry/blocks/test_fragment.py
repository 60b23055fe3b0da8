"""A library molecule comes apart into the blocks it was made of."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rdkit import Chem

from belka.chemistry.blocks.fragment import block_components, block_places, cut_at_core

SAMPLE = Path(__file__).parents[5] / "../shared/data/leash_sample"
MOLECULE = "C#CCNc1nc(NC2CC2)nc(N[C@@H](CC(C)C)C(=O)N[Dy])n1"


def pieces(smiles: str) -> list[list[str]]:
    return [[block.smiles for block in cut.blocks] for cut in cut_at_core(Chem.MolFromSmiles(smiles))]


def test_the_block_with_the_linker_comes_first_and_bonds_end_in_hydrogen() -> None:
    (cut,) = cut_at_core(Chem.MolFromSmiles(MOLECULE))
    assert [block.smiles for block in cut.blocks] == ["CC(C)C[C@H](N)C(N)=O", "C#CCN", "NC1CC1"]
    assert [block.has_linker for block in cut.blocks] == [True, False, False]
    assert pieces(MOLECULE.replace("[Dy]", "[H]")) == [["C#CCN", "CC(C)C[C@H](N)C(N)=O", "NC1CC1"]]


def test_atoms_cover_the_molecule_without_core_and_linker() -> None:
    molecule = Chem.MolFromSmiles(MOLECULE)
    (cut,) = cut_at_core(molecule)
    core = {*cut.ring_nitrogens, *(block.core_carbon for block in cut.blocks)}
    covered = [atom for block in cut.blocks for atom in block.atoms]
    assert len(covered) == len(set(covered))
    rest = set(range(molecule.GetNumAtoms())) - set(covered) - core
    assert [molecule.GetAtomWithIdx(atom).GetSymbol() for atom in rest] == ["Dy"]
    assert {molecule.GetAtomWithIdx(atom).GetSymbol() for atom in cut.ring_nitrogens} == {"N"}
    for block in cut.blocks:
        assert block.nitrogen in block.atoms
        assert molecule.GetBondBetweenAtoms(block.nitrogen, block.core_carbon) is not None


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        ("C1CCN(CC1)c1nc(-n2cccc2)nc(NCC(=O)N[Dy])n1", [["NCC(N)=O", "C1CCNCC1", "c1cc[nH]c1"]]),
        ("CNc1nc(N(C)[C@@H](C)F)nc(N/C=C/C)n1", [["C/C=C/N", "CN", "CN[C@@H](C)F"]]),
    ],
)
def test_ring_nitrogens_tertiary_amines_and_stereo(smiles: str, expected: list[list[str]]) -> None:
    assert pieces(smiles) == expected


@pytest.mark.parametrize(
    "smiles",
    ["CCO", "CNC(=O)NCC", "CNc1nc(NC)nc(OC)n1", "CNc1ccc(NC)cc1", "C1CNc2nc(NCC1)nc(NC)n2"],
    ids=["no core", "urea", "two nitrogens", "benzene", "blocks joined in a ring"],
)
def test_other_cores_are_not_cut(smiles: str) -> None:
    assert cut_at_core(Chem.MolFromSmiles(smiles)) == []


def test_a_block_that_holds_a_triazine_gives_two_cuts() -> None:
    inner = "c2nc(NC)nc(NC)n2"
    cuts = pieces(f"CCNc1nc(NCC)nc(NCCN{inner})n1")
    assert len(cuts) == 2
    assert ["CCN", "CCN", "CNc1nc(NC)nc(NCCN)n1"] in cuts


def test_components_of_a_salt() -> None:
    assert block_components("Cl.NCC(F)(F)F") == {"Cl", "NCC(F)(F)F"}
    assert block_components("C(F)(F)(F)CN") == {"NCC(F)(F)F"}
    assert block_components("no block") == frozenset()
    assert block_components("") == frozenset()


@pytest.mark.skipif(not SAMPLE.exists(), reason="the real sample is not beside the checkout")
def test_real_molecules_come_apart_into_the_blocks_they_list() -> None:
    table = pq.read_table(SAMPLE / "train.parquet")
    rows = table.take(list(range(0, table.num_rows, 100))).to_pylist()
    for row in rows:
        (cut,) = cut_at_core(Chem.MolFromSmiles(row["molecule_smiles"]))
        linker_block, *amines = cut.blocks
        assert linker_block.has_linker
        second, third = (block_components(row[f"buildingblock{n}_smiles"]) for n in (2, 3))
        found = [amine.smiles for amine in amines]
        assert (found[0] in second and found[1] in third) or (found[1] in second and found[0] in third), row


@pytest.mark.parametrize("smiles", ["CC(Nc1nc(NCC2CC2)nc(Nc2ccccc2)n1)C(=O)N", MOLECULE])
def test_the_places_of_blocks_are_those_of_the_cut(smiles: str) -> None:
    molecule = Chem.MolFromSmiles(smiles)
    (cut,) = cut_at_core(molecule)
    (found,) = block_places(molecule)
    whole = [{name: value for name, value in vars(block).items() if name != "smiles"} for block in cut.blocks]
    assert sorted(map(vars, found), key=str) == sorted(whole, key=str)
    assert block_places(Chem.MolFromSmiles("c1(N2)nc(NCC2)nc(NC)n1")) == []
    assert block_places(Chem.MolFromSmiles("CCO")) == []
