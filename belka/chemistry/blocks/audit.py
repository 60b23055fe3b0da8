"""Compare composed fingerprints with those RDKit computes from the SMILES."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from belka.chemistry.blocks.compose import ComposedEcfp, composition_error, listed_molecule
from belka.chemistry.blocks.row_tables import BlockFingerprintTables
from belka.chemistry.direct import DirectFingerprints
from belka.chemistry.fingerprints import FingerprintSettings
from belka.contract import BLOCK_IDS
from belka.progress import counted
from belka.workers import WorkerPool

CHUNK_ROWS: Final = 1024
# Below this, one process is done before others have started.
_IN_PROCESS_ROWS: Final = 4096


@dataclass(frozen=True)
class AuditResult:
    """What an audit without a mismatch saw.

    Attributes:
        n_molecules: Molecules looked at.
        n_composed: Those of them whose fingerprint is composed, all equal to RDKit's.
        n_blocks: Blocks among the composed ones.
        least_per_block: Fewest composed molecules of any of these blocks.
        n_contradicted: Molecules whose SMILES contradicts their blocks; they are not composed.
        first_contradicted: The first of them, for a message; empty if there is none.
    """

    n_molecules: int
    n_composed: int
    n_blocks: int
    least_per_block: int
    n_contradicted: int
    first_contradicted: str


def audit_tables(
    tables: BlockFingerprintTables, molecules: pa.Table, catalogue: Sequence[str], *, n_workers: int
) -> AuditResult:
    """Compose the fingerprints of molecules and compare each with RDKit's.

    Args:
        tables: The tables in question.
        molecules: Molecules with the columns of `ComposedEcfp`.
        catalogue: SMILES of the building blocks; the index is the block id.
        n_workers: Processes that compute fingerprints from SMILES.

    Returns:
        What was compared.

    Raises:
        BelkaError: If one fingerprint differs; it names the molecule.
    """
    source = ComposedEcfp(tables, catalogue)
    columns = molecules.select(list(ComposedEcfp.columns)).combine_chunks()
    composed: list[pa.RecordBatch] = []
    packed: list[npt.NDArray[np.uint8]] = []
    n_contradicted, first_contradicted = 0, ""
    for batch in columns.to_batches(CHUNK_ROWS):
        own = source.compose(batch)
        composed.append(batch.filter(pa.array(own.composed)))
        packed.append(own.packed[own.composed])
        n_contradicted += len(own.contradicted)
        if own.contradicted and not first_contradicted:
            first_contradicted = listed_molecule(batch, own.contradicted[0], catalogue)
    direct = _direct(tables.settings, composed, n_workers)
    for batch, own_bits, direct_bits in zip(composed, packed, direct, strict=True):
        differs = (own_bits != direct_bits).any(axis=1)
        if differs.any():
            raise composition_error(batch, int(np.argmax(differs)), catalogue)
    counts = _molecules_per_block(composed, len(catalogue))
    return AuditResult(
        n_molecules=len(molecules),
        n_composed=sum(batch.num_rows for batch in composed),
        n_blocks=len(counts),
        least_per_block=int(counts.min(initial=len(molecules))) if len(counts) else 0,
        n_contradicted=n_contradicted,
        first_contradicted=first_contradicted,
    )


def _direct(
    settings: FingerprintSettings, batches: Sequence[pa.RecordBatch], n_workers: int
) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield the packed bits that RDKit gives, batch by batch."""
    compute = partial(_compute, settings)
    total = sum(batch.num_rows for batch in batches)
    if n_workers == 1 or total < _IN_PROCESS_ROWS:
        yield from counted(map(compute, batches), "auditing", "molecules", total, size=len)
        return
    with WorkerPool(n_workers) as executor:
        yield from counted(executor.map(compute, batches), "auditing", "molecules", total, size=len)


def _compute(settings: FingerprintSettings, batch: pa.RecordBatch) -> npt.NDArray[np.uint8]:
    return DirectFingerprints(settings).compute(batch).packed


def _molecules_per_block(batches: Sequence[pa.RecordBatch], n_blocks: int) -> npt.NDArray[np.int64]:
    """Count the molecules of each block that occurs, the first position apart from the others: int64 [n_found]."""
    ids = [[batch.column(name).cast(pa.int64()).to_numpy() for name in BLOCK_IDS] for batch in batches]
    keys = [
        key for first, second, third in ids for key in (first, n_blocks + second, (n_blocks + third)[third != second])
    ]
    counts = np.bincount(np.concatenate([np.empty(0, np.int64), *keys]), minlength=1)
    found: npt.NDArray[np.int64] = counts[counts > 0]
    return found
