"""unseen.parquet beside a pushed model: what its training never saw, so that later models are compared with it fairly.

A molecule is known by 64 bits of the BLAKE2 hash of its canonical SMILES (8 bytes for each held-out molecule: about
70 MB for 9% of the full library), a building block by the canonical SMILES of its largest component. Positions and ids
belong to one data set and are never compared. What is in doubt counts as seen.
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rdkit import Chem

from belka.chemistry.blocks.compose import read_catalogue
from belka.chemistry.blocks.fragment import block_components
from belka.contract import BLOCK_IDS, SMILES, UNSEEN_FILE, Subset
from belka.errors import InputError
from belka.files import atomic_path
from belka.molecules import list_shards, read_rows

Hashes = NDArray[np.uint64]

_UNSEEN_MOLECULE: Final = "unseen molecule"
_SEEN_MOLECULE: Final = "seen molecule without blocks"
_UNSEEN_BLOCK: Final = "unseen block"
_SEEN_BLOCK: Final = "seen block"
_SCHEMA: Final = pa.schema({"kind": pa.dictionary(pa.int8(), pa.string()), "hash": pa.uint64(), "block": pa.string()})
_NO_HASHES: Final[Hashes] = np.empty(0, np.uint64)


@dataclass(frozen=True)
class Unseen:
    """What a model's training saw and did not see.

    Attributes:
        molecules: uint64 [n], ascending: hashes of molecules that it never saw.
        seen_molecules: uint64 [m], ascending: hashes of those it saw whose blocks are not known.
        seen_blocks: Blocks of the others that it saw, as `block_key` names them.
        unseen_blocks: Blocks of its data that it never saw.
    """

    molecules: Hashes
    seen_molecules: Hashes = field(default_factory=lambda: _NO_HASHES)
    seen_blocks: frozenset[str] = frozenset()
    unseen_blocks: frozenset[str] = frozenset()

    def never_saw(self, hashes: Hashes, block_ids: NDArray[np.int64], catalogue: Sequence[str]) -> NDArray[np.bool_]:
        """Mark the molecules that the model certainly never saw: held out themselves, or with a block it never saw.

        Args:
            hashes: uint64 [n], see `molecule_hashes`.
            block_ids: int64 [n, 3]; -1 = none.
            catalogue: SMILES of the building blocks; the index is the block id.

        Returns:
            bool [n].
        """
        is_new = np.array([*(block_key(smiles) not in self.seen_blocks for smiles in catalogue), False])
        by_block = is_new[block_ids].any(axis=1) & ~np.isin(hashes, self.seen_molecules)
        marked: NDArray[np.bool_] = by_block | np.isin(hashes, self.molecules)
        return marked

    def without(self, other: "Unseen") -> "Unseen":
        """What neither of two trainings saw, as far as one record of both can tell."""
        return Unseen(
            np.intersect1d(self.molecules, other.molecules),
            np.union1d(self.seen_molecules, other.seen_molecules),
            self.seen_blocks | other.seen_blocks,
            self.unseen_blocks & other.unseen_blocks,
        )


def molecule_hashes(smiles: pa.Array) -> Hashes:
    """Hash canonical SMILES, as the molecules table has them, to uint64 [n]."""
    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=8).digest() for text in smiles.to_pylist())
    return np.frombuffer(digests, "<u8")


def block_key(smiles: str) -> str:
    """Name a building block whatever salt it is listed as; a text that RDKit cannot read is its own name."""
    return max(
        block_components(smiles), key=lambda part: (Chem.MolFromSmiles(part).GetNumHeavyAtoms(), part), default=smiles
    )


def block_columns(batch: pa.RecordBatch) -> NDArray[np.int64]:
    """The block ids of molecules, int64 [n, 3]; -1 = none."""
    return np.stack([pc.fill_null(batch.column(name), -1).to_numpy() for name in BLOCK_IDS], axis=1).astype(np.int64)


def find_unseen(molecules_dir: Path, seen: Collection[Subset], base: Unseen | None = None) -> Unseen:
    """Tell what a model never saw whose stages trained on some splits of a molecules table.

    Args:
        molecules_dir: Folder written by ParquetMerge.
        seen: The splits whose molecules any stage trained on.
        base: What the model never saw that it started from; None = it started from nothing.
    """
    catalogue = read_catalogue(molecules_dir)
    is_seen = np.zeros(len(catalogue), np.bool_)
    without_blocks, held_out, tested = [_NO_HASHES], [_NO_HASHES], [_NO_HASHES]
    for subset in Subset:
        for path in (shard.path for shard in list_shards(molecules_dir) if shard.split == subset.split):
            if subset in seen:
                for batch in read_rows(path, list(BLOCK_IDS)):
                    ids = block_columns(batch)
                    is_seen[ids[ids >= 0]] = True
                    if (ids < 0).all(axis=1).any():
                        without_blocks += _hashes_without_blocks(path)
                        break
            if subset is Subset.TEST and subset in seen:
                tested += [molecule_hashes(batch.column(SMILES)) for batch in read_rows(path, [SMILES])]
            if subset is Subset.VALIDATION and subset not in seen:
                for batch in read_rows(path, [SMILES, *BLOCK_IDS]):
                    hashes = molecule_hashes(batch.column(SMILES))
                    kept = base.never_saw(hashes, block_columns(batch), catalogue) if base else slice(None)
                    held_out.append(hashes[kept])
    keys = [block_key(smiles) for smiles in catalogue]
    seen_blocks = frozenset(key for key, yes in zip(keys, is_seen, strict=True) if yes)
    if base:
        seen_blocks |= base.seen_blocks
        without_blocks.append(base.seen_molecules)
    # A molecule may stand in the training file, held out, and in the test file.
    molecules = np.setdiff1d(np.concatenate(held_out), np.concatenate(tested))
    return Unseen(molecules, np.unique(np.concatenate(without_blocks)), seen_blocks, frozenset(keys) - seen_blocks)


def _hashes_without_blocks(path: Path) -> Iterator[Hashes]:
    """Hashes of the molecules of a shard that have no block."""
    for batch in read_rows(path, [SMILES, *BLOCK_IDS]):
        rows = np.flatnonzero((block_columns(batch) < 0).all(axis=1))
        yield molecule_hashes(batch.column(SMILES).take(pa.array(rows)))


def write_unseen(unseen: Unseen, folder: Path) -> None:
    """Write unseen.parquet into a folder, which exists."""
    no_hashes, no_blocks = _NO_HASHES, frozenset[str]()
    parts = (
        (_UNSEEN_MOLECULE, unseen.molecules, no_blocks),
        (_SEEN_MOLECULE, unseen.seen_molecules, no_blocks),
        (_UNSEEN_BLOCK, no_hashes, unseen.unseen_blocks),
        (_SEEN_BLOCK, no_hashes, unseen.seen_blocks),
    )
    with (
        atomic_path(folder / UNSEEN_FILE) as temporary,
        pq.ParquetWriter(temporary, _SCHEMA, compression="zstd", use_dictionary=["kind"]) as file,
    ):
        for kind, hashes, blocks in parts:
            columns = [
                pa.array([kind] * (len(hashes) + len(blocks)), pa.string()).dictionary_encode(),
                pa.concat_arrays([pa.array(hashes, pa.uint64()), pa.nulls(len(blocks), pa.uint64())]),
                pa.concat_arrays([pa.nulls(len(hashes), pa.string()), pa.array(sorted(blocks), pa.string())]),
            ]
            file.write_table(pa.table(columns, names=_SCHEMA.names).cast(_SCHEMA))


def read_unseen(folder: Path) -> Unseen | None:
    """Read what `write_unseen` wrote.

    Args:
        folder: The folder of a pushed model.

    Returns:
        Its content; None where there is none: the model was pushed by an earlier version.

    Raises:
        InputError: The file is damaged.
    """
    path = folder / UNSEEN_FILE
    if not path.is_file():
        return None
    try:
        table = pq.read_table(path).cast(_SCHEMA)
    except (OSError, ValueError) as error:
        raise InputError(
            "The record of what a model never saw cannot be read.",
            received=f"{path}: {str(error).splitlines()[0]}",
            expected="the file as it was pushed",
            action="Restore it; or delete it, and the model counts as one without a record.",
        ) from error
    kinds = table["kind"].cast(pa.string())

    def part(kind: str, column: str) -> pa.ChunkedArray:
        return table[column].filter(pc.equal(kinds, kind))

    # Spelled anew: another RDKit may write another canonical SMILES.
    seen, unseen = (frozenset(map(block_key, part(kind, "block").to_pylist())) for kind in (_SEEN_BLOCK, _UNSEEN_BLOCK))
    held_out, without_blocks = (
        part(kind, "hash").to_numpy().astype(np.uint64) for kind in (_UNSEEN_MOLECULE, _SEEN_MOLECULE)
    )
    return Unseen(held_out, without_blocks, seen, unseen)
