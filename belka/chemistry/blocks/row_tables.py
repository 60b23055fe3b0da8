"""The learnt tables: one fingerprint row per building block, one per kind of core; how they are kept on disk."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
import rdkit

from belka.chemistry.fingerprints import FingerprintSettings
from belka.errors import InputError
from belka.files import atomic_path

BLOCKS_TABLE: Final = "block_fingerprints.parquet"
CORES_TABLE: Final = "core_fingerprints.parquet"
LEARNT_SUMMARY_FILE: Final = "summary.json"
ROLE_LINKER: Final = "linker"  # the block that carries the linker: position 1
ROLE_AMINE: Final = "amine"  # positions 2 and 3

_BLOCKS_SCHEMA: Final = pa.schema(
    [
        ("role", pa.string()),
        ("block", pa.string()),  # as the library lists it
        ("fragment", pa.string()),  # as it occurs in molecules
        ("nitrogen", pa.string()),
        ("checksum", pa.uint64()),
        ("n_references", pa.int32()),
        ("bits", pa.binary()),
    ]
)
_CORES_SCHEMA: Final = pa.schema(
    [("nitrogens", pa.list_(pa.string(), 3)), ("n_references", pa.int32()), ("bits", pa.binary())]
)
_METADATA_KEY: Final = b"learnt_with"


@dataclass(frozen=True)
class BlockRow:
    """A licensed block.

    Attributes:
        role: ROLE_LINKER or ROLE_AMINE.
        block: SMILES as the library lists it.
        fragment: Canonical SMILES as it occurs in molecules.
        nitrogen: Kind of the nitrogen that hangs on the core.
        checksum: Of the fragment, see `smiles_checksums`.
        n_references: Molecules that gave this row.
        bits: Packed bits it contributes.
    """

    role: str
    block: str
    fragment: str
    nitrogen: str
    checksum: int
    n_references: int
    bits: bytes


@dataclass(frozen=True)
class CoreRow:
    """A licensed kind of core.

    Attributes:
        nitrogens: Kinds of the three attached nitrogens, sorted.
        n_references: Molecules that gave this row.
        bits: Packed bits around the core's nitrogens.
    """

    nitrogens: tuple[str, ...]
    n_references: int
    bits: bytes


@dataclass(frozen=True)
class BlockFingerprintTables:
    """What compositions are made of.

    Attributes:
        settings: The fingerprint the rows belong to.
        rdkit_version: The RDKit that computed them.
        blocks: The licensed blocks; each (role, block) once.
        cores: The licensed kinds of core.
    """

    settings: FingerprintSettings
    rdkit_version: str
    blocks: tuple[BlockRow, ...]
    cores: tuple[CoreRow, ...]


def save_tables(tables: BlockFingerprintTables, folder: Path) -> None:
    """Write the tables.

    Args:
        tables: The tables.
        folder: Receives BLOCKS_TABLE and CORES_TABLE.
    """
    learnt_with = json.dumps({"settings": tables.settings.stored(), "rdkit_version": tables.rdkit_version})
    metadata = {_METADATA_KEY: learnt_with.encode()}
    for name, schema, rows in (BLOCKS_TABLE, _BLOCKS_SCHEMA, tables.blocks), (CORES_TABLE, _CORES_SCHEMA, tables.cores):
        table = pa.Table.from_pylist([asdict(row) for row in rows], schema.with_metadata(metadata))
        with atomic_path(folder / name) as temporary:
            pq.write_table(table, temporary)


def load_tables(folder: Path) -> BlockFingerprintTables:
    """Read the tables, and refuse those of another RDKit.

    Args:
        folder: Folder written by `save_tables`.

    Returns:
        The tables.

    Raises:
        InputError: If they are missing or unreadable, or belong to another version of RDKit.
    """
    action = "Run the step make_dataset again: it learns the tables anew."
    try:
        blocks, cores = (pq.read_table(folder / name) for name in (BLOCKS_TABLE, CORES_TABLE))
        learnt_with = [json.loads(table.schema.metadata[_METADATA_KEY]) for table in (blocks, cores)]
    except (OSError, ValueError, KeyError, TypeError) as error:  # Arrow's and JSON's errors are ValueErrors
        raise InputError(
            "The block fingerprints cannot be read.",
            received=f"{folder}: {error}",
            expected=f"{BLOCKS_TABLE} and {CORES_TABLE}",
            action=action,
        ) from error
    if learnt_with[0] != learnt_with[1]:
        raise InputError("The block fingerprints do not belong together.", received=f"{learnt_with}", action=action)
    version = learnt_with[0]["rdkit_version"]
    if version != rdkit.__version__:
        raise InputError(
            "The block fingerprints belong to another version of RDKit.",
            received=f"tables learnt with RDKit {version} in {folder}; this process runs {rdkit.__version__}",
            expected="one version: bits may differ between two",
            action=action,
        )
    return BlockFingerprintTables(
        FingerprintSettings.parse(learnt_with[0]["settings"], source=f"the fingerprint of {folder}", action=action),
        version,
        tuple(BlockRow(**row) for row in blocks.to_pylist()),
        tuple(CoreRow(**(row | {"nitrogens": tuple(row["nitrogens"])})) for row in cores.to_pylist()),
    )
