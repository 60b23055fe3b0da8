"""One unit of work: rows of the molecules table in, one TFRecord shard out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow as tf

from belka.chemistry.blocks.compose_feature import blocks_source
from belka.chemistry.blocks.feature import BlockBits
from belka.chemistry.direct import FingerprintSource
from belka.chemistry.smiles_column import usable_smiles
from belka.contract import MASK_ID, SMILES, SMILES_NO_LINKER
from belka.examples import COPIED_COLUMNS, encode_examples, open_examples
from belka.molecules import read_rows
from belka.progress import progress
from belka.tokens.graph import SmilesTokenizer
from components.molecule_transform.plan import WorkUnit
from components.molecule_transform.unit_report import UnitCounts, rejected_rows, write_unit_report

BATCH_ROWS = 8192
ENCODING = "encoding"  # what a unit does, for progress


@dataclass(frozen=True)
class ModelReads:
    """What the model reads of the Examples.

    Attributes:
        max_length: Molecules with more tokens are counted and reported; they are written whole all the same, and the
            input pipeline truncates them.
        blocks: Whether a member reads the feature `blocks`.
    """

    max_length: int
    blocks: bool = False


@dataclass(frozen=True)
class UnitSettings:
    """What every worker needs to know.

    Attributes:
        transform_graph_dir: Folder of the TransformGraph.
        reports_dir: Folder for the report of each unit.
        make_fingerprints: Makes the source of fingerprints in the worker; it is pickled, the source is not.
        reads: What the model reads of the Examples.
    """

    transform_graph_dir: str
    reports_dir: str
    make_fingerprints: Callable[[], FingerprintSource]
    reads: ModelReads

    def report_path(self, unit: WorkUnit) -> Path:
        """Return where the report of a unit is."""
        return Path(self.reports_dir) / f"{unit.split}-{unit.index:05d}.parquet"


class TransformUnit(beam.DoFn):
    """Writes the shards of the units it gets; loads the transform graph once.

    Args:
        settings: The same for all units.
    """

    def __init__(self, settings: UnitSettings) -> None:
        self._settings = settings

    def setup(self) -> None:
        """Load what the units share."""
        self._tokenize = tf.function(
            SmilesTokenizer(Path(self._settings.transform_graph_dir)),
            input_signature=[tf.TensorSpec([None], tf.string)],
        )
        self._fingerprints = self._settings.make_fingerprints()
        self._blocks = blocks_source(self._fingerprints) if self._settings.reads.blocks else None

    def process(self, unit: WorkUnit) -> Iterator[str]:
        """Write one shard and its report; yield the path of the shard."""
        counts = UnitCounts()
        rejected: list[dict[str, Any]] = []
        columns = list(dict.fromkeys([*COPIED_COLUMNS, *self._fingerprints.columns, SMILES, SMILES_NO_LINKER]))
        with open_examples(Path(unit.target)) as write, progress(ENCODING, "molecules") as done:
            for source in unit.sources:
                for batch in read_rows(
                    Path(source.path), columns, start=source.start, stop=source.stop, batch_rows=BATCH_ROWS
                ):
                    for example in self._transform(batch, unit.split, counts, rejected):
                        write(example)
                    done.add(batch.num_rows)
        write_unit_report(self._settings.report_path(unit), counts, rejected)
        yield unit.target

    def _transform(
        self, batch: pa.RecordBatch, split: str, counts: UnitCounts, rejected: list[dict[str, Any]]
    ) -> list[bytes]:
        """Return the Examples of a batch; add to the counts and to the rejected rows."""
        fingerprints = self._fingerprints.compute(batch)
        counts.molecules += batch.num_rows
        counts.composed += int(fingerprints.composed.sum())
        counts.contradicted += len(fingerprints.contradicted)
        if fingerprints.contradicted and not counts.first_contradicted:
            counts.first_contradicted = batch.column(SMILES)[fingerprints.contradicted[0]].as_py()
        blocks = None if self._blocks is None else self._blocks.compute(batch, fingerprints)
        kept = np.ones(batch.num_rows, dtype=bool)
        if fingerprints.rejected:
            rejected += rejected_rows(batch, fingerprints.rejected, split)
            for reason in fingerprints.rejected.values():
                counts.rejected[reason] = counts.rejected.get(reason, 0) + 1
            first = next(iter(fingerprints.rejected))
            counts.first_rejected = counts.first_rejected or batch.column(SMILES)[first].as_py() or repr("")
            kept[list(fingerprints.rejected)] = False
            batch = batch.filter(pa.array(kept))
        counts.written += batch.num_rows
        if blocks is not None:
            blocks = BlockBits(blocks.packed[kept], blocks.is_known[kept])
            self._count_unknown_blocks(batch, blocks, counts)
        smiles, _, _ = usable_smiles(batch.column(SMILES_NO_LINKER))
        ragged = self._tokenize(tf.constant(smiles.to_pylist(), tf.string, shape=[batch.num_rows]))
        tokens, row_splits = ragged.values.numpy(), ragged.row_splits.numpy()

        too_long = np.flatnonzero(np.diff(row_splits) > self._settings.reads.max_length)
        unknown = np.flatnonzero(tokens == MASK_ID)
        counts.too_long += too_long.size
        counts.unknown_tokens += unknown.size
        if too_long.size and not counts.first_too_long:
            counts.first_too_long = smiles[int(too_long[0])].as_py()
        if unknown.size and not counts.first_unknown:
            row = int(np.searchsorted(row_splits, unknown[0], side="right")) - 1
            counts.first_unknown = smiles[row].as_py()
        return encode_examples(batch, tokens, row_splits, fingerprints.packed[kept], blocks)

    def _count_unknown_blocks(self, batch: pa.RecordBatch, blocks: BlockBits, counts: UnitCounts) -> None:
        without = np.flatnonzero(~blocks.is_known)
        counts.without_blocks += without.size
        if without.size and not counts.first_without_blocks:
            counts.first_without_blocks = batch.column(SMILES)[int(without[0])].as_py()
