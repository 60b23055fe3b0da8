"""The checksum of a product is the sum of those of its parts, and changes with every atom, bond and ring."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from belka.chemistry.blocks.checksum import join_checksum, smiles_checksums


def checksum(*smiles: str) -> int:
    return int(smiles_checksums(pa.array(smiles)).sum(dtype=np.uint64))


def test_parts_add_up() -> None:
    product = checksum("C#CCNc1nc(NC2CC2)nc(N[C@@H](CC(C)C)C(=O)N[H])n1")
    parts = checksum("CC(C)C[C@H](N)C(N)=O", "C#CCN", "NC1CC1")
    assert product == (parts + int(join_checksum("[H]"))) % 2**64


def test_ring_numbers_do_not_count_but_rings_do() -> None:
    assert checksum("C1CC1") == checksum("C9CC9") == checksum("C%12CC%12")
    assert checksum("C1CC1") != checksum("CCC")


@pytest.mark.parametrize(
    "other",
    ["C(Cl)=NC", "CC(Br)=NC", "CC(Cl)NC", "CC(Cl)=N", "CC(Cl)=[NH+]C", "cC(Cl)=NC", "CC(Cl=NC", "C.CC(Cl)=NC"],
)
def test_atoms_bonds_charges_and_brackets_count(other: str) -> None:
    assert checksum(other) != checksum("CC(Cl)=NC")


@given(st.lists(st.text("CNOcn()=#[]+123%lrB@", max_size=8), max_size=6), st.data())
def test_rows_do_not_mix_in_slices_and_with_nulls(smiles: list[str], data: st.DataObject) -> None:
    column = pa.array([*smiles, None, "C"], pa.string())
    start = data.draw(st.integers(0, len(column)))
    expected = [checksum(text or "") for text in [*smiles, None, "C"]]
    assert smiles_checksums(column.slice(start)).tolist() == expected[start:]
