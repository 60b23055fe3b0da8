"""A small triazine library in the form of a molecules folder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rdkit import Chem

# Catalogue SMILES and the text that hangs on the core.
LINKER_BLOCKS = {
    "O=C(O)CNC(=O)OCC1c2ccccc2-c2ccccc21": "NCC(=O)N[Dy]",
    "C[C@H](NC(=O)OCC1c2ccccc2-c2ccccc21)C(=O)O": "N[C@@H](C)C(=O)N[Dy]",
    "O=C(O)c1cccc(NC(=O)OCC2c3ccccc3-c3ccccc32)c1": "Nc9cccc(c9)C(=O)N[Dy]",
    "O=C(O)[C@@H]1CCCN1C(=O)OCC1c2ccccc2-c2ccccc21": "N9CCC[C@H]9C(=O)N[Dy]",
}
AMINE_BLOCKS = {
    "C#CCN": "NCC#C",
    "Cl.NCC(F)(F)F": "NCC(F)(F)F",
    "NC1CC1": "NC8CC8",
    "CCCN": "NCCC",
    "CC(C)N": "NC(C)C",
    "C1COCCN1": "N8CCOCC8",
    "C1CCNCC1": "N8CCCCC8",
}


@dataclass(frozen=True)
class Library:
    """Molecules with their block ids, and the catalogue the ids point into."""

    catalogue: list[str]
    molecules: pa.Table

    def write(self, folder: Path, *, files: int = 2) -> Path:
        split = folder / "Split-train"
        split.mkdir(parents=True)
        size = -(-len(self.molecules) // files)
        for number in range(files):
            part = self.molecules.slice(number * size, size)
            pq.write_table(part, split / f"molecules-{number:05d}.parquet", row_group_size=50)
        table = pa.table({"block_id": pa.array(range(len(self.catalogue)), pa.int32()), "smiles": self.catalogue})
        pq.write_table(table, folder / "blocks.parquet")
        return folder

    def relabel(self, row: int, position: int, block: str) -> "Library":
        """The same library with one molecule listed with another block."""
        name = f"block{position}_id"
        ids = self.molecules[name].to_pylist()
        ids[row] = self.catalogue.index(block)
        index = self.molecules.schema.get_field_index(name)
        return Library(self.catalogue, self.molecules.set_column(index, name, pa.array(ids, pa.int32())))

    def row_of(self, *blocks: str) -> int:
        ids = [self.catalogue.index(block) for block in blocks]
        columns = [self.molecules[f"block{position}_id"].to_pylist() for position in (1, 2, 3)]
        return list(zip(*columns, strict=True)).index(tuple(ids))


def _library(linker_blocks: dict[str, str] = LINKER_BLOCKS, amines: dict[str, str] = AMINE_BLOCKS) -> Library:
    catalogue = sorted({*linker_blocks, *amines})
    rows = []
    for (first, a), (second, b), (third, c) in product(linker_blocks.items(), amines.items(), amines.items()):
        smiles = Chem.CanonSmiles(f"c1({b})nc({c})nc({a})n1").replace("[NH][Dy]", "N[Dy]")
        rows.append((smiles, *(catalogue.index(block) for block in (first, second, third))))
    return make_library(catalogue, rows)


def make_library(catalogue: Sequence[str], rows: Sequence[tuple[str, int | None, int | None, int | None]]) -> Library:
    n = len(rows)
    smiles, *ids = zip(*rows, strict=True)
    return Library(
        list(catalogue),
        pa.table(
            {
                "molecule_id": pa.array(range(n), pa.int64()),
                "smiles": pa.array(smiles),
                "smiles_no_linker": pa.array([text.replace("[Dy]", "[H]") for text in smiles]),
                "binds": pa.array([[0, 1, 2]] * n, pa.list_(pa.int8(), 3)),
                "split_group": pa.array([0] * n, pa.int8()),
                "ids": pa.array([[None] * 3] * n, pa.list_(pa.int64(), 3)),
                **{f"block{i + 1}_id": pa.array(column, pa.int32()) for i, column in enumerate(ids)},
            }
        ),
    )


@pytest.fixture(scope="session")
def library() -> Library:
    return _library()


@pytest.fixture(scope="session")
def build_library() -> Callable[..., Library]:
    return make_library
