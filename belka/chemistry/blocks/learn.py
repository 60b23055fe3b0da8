"""Learn the tables from reference molecules: a row is licensed when several molecules agree on it bit by bit."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, TypeVar

import rdkit

from belka.chemistry.blocks.reference import BlockPart, Reference, ReferenceReader, UnusableReferenceError
from belka.chemistry.blocks.row_tables import ROLE_AMINE, ROLE_LINKER, BlockFingerprintTables, BlockRow, CoreRow
from belka.chemistry.fingerprints import FingerprintSettings
from belka.contract import BLOCK_IDS, MOLECULE_ID, SMILES, SMILES_NO_LINKER

# Molecules that must agree on the row of a block or core before it is used.
N_REFERENCES: Final = 3
_ROLES: Final = (ROLE_LINKER, ROLE_AMINE, ROLE_AMINE)

Key = TypeVar("Key", bound=Hashable)
Part = TypeVar("Part")


@dataclass(frozen=True)
class Learnt:
    """What the reference molecules gave.

    Attributes:
        tables: The licensed rows.
        n_references: Molecules taken apart.
        refused: Reason -> how many molecules were no use.
        first_refused: The first of them, for a message; empty if there is none.
        ambiguous: Blocks on whose row the molecules do not agree.
    """

    tables: BlockFingerprintTables
    n_references: int
    refused: dict[str, int]
    first_refused: str
    ambiguous: tuple[str, ...]


def learn_tables(
    molecules: Iterable[dict[str, Any]],
    catalogue: Sequence[str],
    settings: FingerprintSettings,
    n_references: int = N_REFERENCES,
) -> Learnt:
    """Learn from molecules until every block and kind of core has enough references.

    Args:
        molecules: Rows with the columns of `sample_molecules`. One is skipped once all it could teach is known.
        catalogue: SMILES of the building blocks; the index is the block id.
        settings: The fingerprint; its radius is at most `MAX_RADIUS`.
        n_references: Molecules that must agree on a row.

    Returns:
        The tables. A block or core with fewer references, or with two that differ, is not in them.
    """
    reader = ReferenceReader(settings, catalogue)
    blocks: defaultdict[tuple[str, int], list[BlockPart]] = defaultdict(list)
    cores: defaultdict[tuple[str, ...], list[bytes]] = defaultdict(list)
    refused: defaultdict[str, int] = defaultdict(int)
    first_refused, n_read = "", 0
    for molecule in molecules:
        block_ids = [molecule[name] for name in BLOCK_IDS]
        keys = list(zip(_ROLES, block_ids, strict=True))
        if all(len(blocks[key]) >= n_references for key in keys):
            nitrogens = tuple(sorted(blocks[key][0].nitrogen for key in keys))
            if len(cores[nitrogens]) >= n_references:
                continue
        try:
            reference: Reference = reader.read(molecule[SMILES], molecule[SMILES_NO_LINKER], block_ids)
        except UnusableReferenceError as error:
            refused[error.reason.rstrip(":")] += 1
            if not first_refused:
                listed = ", ".join(catalogue[block_id] for block_id in block_ids)
                first_refused = f"molecule {molecule[MOLECULE_ID]}, {molecule[SMILES]}, listed with {listed}: {error}"
            continue
        n_read += 1
        # A block that fills two positions is one reference, not two.
        for key, part in dict(zip(keys, reference.blocks, strict=True)).items():
            blocks[key].append(part)
        cores[reference.nitrogens].append(reference.core_bits)

    rows = [
        BlockRow(role, catalogue[block], part.fragment, part.nitrogen, part.checksum, count, part.bits)
        for (role, block), (part, count) in sorted(_agreed(blocks, n_references).items(), key=itemgetter(0))
    ]
    core_rows = [
        CoreRow(nitrogens, count, bits) for nitrogens, (bits, count) in sorted(_agreed(cores, n_references).items())
    ]
    ambiguous = sorted({catalogue[block] for (_, block), parts in blocks.items() if len(set(parts)) > 1})
    tables = BlockFingerprintTables(settings, rdkit.__version__, tuple(rows), tuple(core_rows))
    return Learnt(tables, n_read, dict(refused), first_refused, tuple(ambiguous))


def _agreed(found: dict[Key, list[Part]], n_references: int) -> dict[Key, tuple[Part, int]]:
    """Keep what enough references show and none contradicts, with its number of references."""
    agreed = {key: parts for key, parts in found.items() if len(parts) >= n_references and len(set(parts)) == 1}
    return {key: (parts[0], len(parts)) for key, parts in agreed.items()}
