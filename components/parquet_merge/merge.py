"""ParquetMerge without an orchestrator: raw BELKA files in, one row a molecule out, in bounded memory.

Three stages, each streaming: raw rows are dealt out to partitions by the hash of their SMILES; each partition is grouped in memory;
the molecules, now in a seeded random order, are cut into even shards. Training may therefore read the shards front to back with a
small shuffle buffer: neighbouring rows are unrelated.
"""

import json
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from belka.contract import BLOCKS_FILE, REJECTED_FILE, SUMMARY_FILE, Subset
from belka.files import atomic_path
from belka.machine import worker_count
from belka.process_memory import freed_memory_kept
from belka.raw_directory import EXTRA, TEST, TRAIN
from belka.rejections import REJECTED_SCHEMA
from belka.settings import DataSettings, SystemSettings
from components.parquet_merge.blocks import write_blocks
from components.parquet_merge.checks import RejectedCount, check_rejected_share, rejected_counts, rejected_rows_sql
from components.parquet_merge.engine import explained_errors, open_engine
from components.parquet_merge.grouping import Texts
from components.parquet_merge.molecules import MergedPartition, MergeRules, merge_partition
from components.parquet_merge.parallel import map_in_order
from components.parquet_merge.partition import (
    BATCH_ROWS,
    SECONDS_BETWEEN_REPORTS,
    Partitions,
    count_partitions,
    estimate_output_bytes,
    estimate_spill_bytes,
    mean_record_bytes,
    partition_source,
)
from components.parquet_merge.raw_data import RawData, open_raw_data
from components.parquet_merge.raw_tables import RawTable
from components.parquet_merge.records import RecordLayout
from components.parquet_merge.shards import MergedStore, ShardTask, SharedTexts, plan_shards
from components.parquet_merge.summary import make_summary
from components.parquet_merge.training_reader import TrainingReader, can_read_directly
from components.parquet_merge.workspace import check_room, plain_spill_bytes, work_folder

logger = logging.getLogger(__name__)


def merge_raw_files(
    raw_dir: Path,
    output_dir: Path,
    *,
    data: DataSettings,
    system: SystemSettings,
) -> dict[str, Any]:
    """Merge the raw files into the molecules table.

    The result depends on the content of the files, the seed and the shares only: not on the order of the raw rows, the number of
    workers or the memory limit. The folder appears whole or not at all; an existing one is replaced.

    Args:
        raw_dir: Folder with train.parquet|csv, test.parquet|csv and maybe DNA_Labeled_Data.csv.
        output_dir: Folder of the Molecules artifact: Split-*/molecules-NNNNN.parquet, blocks.parquet, rejected.parquet, summary.json.
        data: Targets, shares of validation, largest share of unusable rows, size of the shards.
        system: Seed, memory budget, threads and folder for temporary files (null = beside the output).

    Returns:
        The summary, which is also written to summary.json.

    Raises:
        InputError: If a file is missing, unreadable or of the wrong form, too many rows are unusable, a setting is out of range, or
            there is no room for temporary files.
        BelkaError: If the pairs written are not exactly the pairs read.
    """
    # In the order in which summary.json has always held them.
    settings = {
        "targets": list(data.targets), "seed": system.seed, "validation_block_share": data.validation_block_share,
        "validation_shared_share": data.validation_shared_share, "use_extra_data": data.use_extra_data,
        "max_rejected_share": data.max_rejected_share, "rows_per_shard": data.rows_per_shard,
    }  # fmt: skip
    n_workers = worker_count(system.n_workers)
    started = time.monotonic()
    with (
        freed_memory_kept(),
        work_folder(output_dir.parent) as staging,
        work_folder(Path(system.spill_dir) if system.spill_dir else staging) as work_dir,
    ):
        folder = staging / "molecules"
        folder.mkdir()
        engine = open_engine(memory_limit_gb=system.memory_limit_gb, n_workers=n_workers, temp_dir=work_dir / "duckdb")
        try:
            raw = open_raw_data(engine, raw_dir, data=data, seed=system.seed, work_dir=work_dir)
            rules = MergeRules(system.seed, data.targets, data.validation_shared_share)
            run = _Run(engine, raw, work_dir, rules, n_workers)
            partitions, rejected = run.partition(folder, system.memory_limit_gb, data.max_rejected_share)
            _write_rejected(engine, raw, rejected, folder / REJECTED_FILE)
            stores, counts = run.merge(partitions)
        finally:
            engine.close()
        run.write_shards(stores, partitions, folder, data.rows_per_shard)
        write_blocks(raw.blocks, folder / BLOCKS_FILE)
        summary = make_summary(raw, rejected, counts, settings)
        (folder / SUMMARY_FILE).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        with atomic_path(output_dir) as temporary:
            folder.rename(temporary)
    n_molecules = sum(store.n_rows for store in stores)
    logger.info("%s molecules written in %.1f s", f"{n_molecules:,}", time.monotonic() - started)
    return summary


@dataclass(frozen=True)
class _Run:
    """The first two stages and what they share."""

    engine: Any
    raw: RawData
    work_dir: Path
    rules: MergeRules
    n_workers: int

    def partition(
        self, output_folder: Path, memory_limit_gb: float, max_rejected_share: float
    ) -> tuple[dict[str, Partitions], tuple[RejectedCount, ...]]:
        """Deal out the rows of every source; fail if too many cannot be used."""
        sizes = [(table.n_rows, mean_record_bytes(self.engine, table)) for table in self.raw.tables]
        spill_bytes, output_bytes = estimate_spill_bytes(sizes), estimate_output_bytes(sizes)
        check_room([(self.work_dir, spill_bytes), (output_folder, output_bytes)])
        plain_bytes = plain_spill_bytes(
            self.work_dir, needed=spill_bytes + output_bytes, memory_limit_gb=memory_limit_gb
        )
        n_bytes = sum(n_rows * mean_bytes for n_rows, mean_bytes in sizes)
        n_partitions = count_partitions(n_bytes, memory_limit_gb=memory_limit_gb, n_workers=self.n_workers)
        layout = RecordLayout(self.engine, self.rules.seed, len(self.rules.targets), self.raw.blocks)
        folder = self.work_dir / "partitions"
        # Nearly all rows are those of training.
        partitions = {
            source: Partitions(folder, source, n_partitions, plain_bytes=plain_bytes if source == TRAIN else 0)
            for source in (TRAIN, TEST, EXTRA)
        }
        rejected: list[RejectedCount] = []
        for table in self.raw.tables:
            logger.info("reading %s (%s rows)", table.file.path, f"{table.n_rows:,}")
            reader = self._reader(table)
            n_used = partition_source(table, layout, partitions[table.source], reader=reader, n_workers=self.n_workers)
            counts = rejected_counts(self.engine, table) if n_used < table.n_rows else ()
            check_rejected_share(table, counts, max_rejected_share=max_rejected_share)
            rejected += counts
        return partitions, tuple(rejected)

    def _reader(self, table: RawTable) -> TrainingReader | None:
        """A reader beside SQL, where the file allows one."""
        ids = self.raw.ids[table.source]
        if not can_read_directly(table, ids):
            return None
        return TrainingReader(table, self.rules.targets, self.raw.blocks, checks_ids=ids.n_usable < table.n_rows)

    def merge(self, partitions: dict[str, Partitions]) -> tuple[list[MergedStore], Counter[str]]:
        """Merge partition by partition; the stores come in the order of molecule ids."""
        n_targets = len(self.rules.targets)
        stores = {subset: MergedStore(self.work_dir / f"{subset.split}.arrow", subset, n_targets) for subset in Subset}
        train, extra, test = (partitions[source] for source in (TRAIN, EXTRA, TEST))
        counts: Counter[str] = Counter()
        n_partitions = train.n_partitions

        def merge_one(partition: int) -> MergedPartition:
            return merge_partition(
                train.read(partition),
                extra.read(partition),
                test.read(partition),
                self.rules,
                training_texts=Texts(partial(_read_smiles, (train, extra), partition)),
                test_texts=Texts(partial(_read_smiles, (test,), partition)),
            )

        logger.info("merging %d partitions", n_partitions)
        last_report = time.monotonic()
        # One ahead: else the thread of a small partition would wait for that of a large one before it.
        merging = map_in_order(merge_one, range(n_partitions), n_workers=self.n_workers, n_ahead=1)
        for partition, merged in enumerate(merging):
            for subset, table in merged.by_subset.items():
                stores[subset].add(table)
            counts.update(merged.counts)
            if time.monotonic() - last_report > SECONDS_BETWEEN_REPORTS:
                last_report = time.monotonic()
                n_rows = sum(counts[f"{source}_rows"] for source in partitions)
                logger.info("%d of %d partitions merged (%s rows)", partition + 1, n_partitions, f"{n_rows:,}")
        for store in stores.values():
            store.close()
        return list(stores.values()), counts

    def write_shards(
        self, stores: Sequence[MergedStore], partitions: dict[str, Partitions], folder: Path, rows_per_shard: int
    ) -> None:
        """Write the shards; those of training come last and remove the partitions as they go."""

        def remove(partition: int) -> None:
            for source in (TRAIN, EXTRA):
                partitions[source].remove(partition)

        training = partial(_read_smiles, (partitions[TRAIN], partitions[EXTRA]))
        texts = {
            Subset.VALIDATION: SharedTexts(training),
            Subset.TEST: SharedTexts(partial(_read_smiles, (partitions[TEST],))),
            Subset.TRAIN: SharedTexts(training, remove),
        }
        with_texts = [(store, texts[store.subset]) for store in stores]
        tasks = plan_shards(with_texts, folder, rows_per_shard=rows_per_shard)
        logger.info("writing %d shards", len(tasks))
        # Validation reads the partitions that training removes: all of its shards are written before the first one of training.
        for is_training in (False, True):
            some = [task for task in tasks if (task.store.subset is Subset.TRAIN) is is_training]
            for _ in map_in_order(ShardTask.write, some, n_workers=self.n_workers, n_ahead=self.n_workers):
                pass


def _read_smiles(sources: Sequence[Partitions], partition: int) -> pa.ChunkedArray:
    chunks = [chunk for source in sources for chunk in source.read_smiles(partition).chunks]
    return pa.chunked_array(chunks, pa.string())


def _write_rejected(engine: Any, raw: RawData, rejected: Sequence[RejectedCount], path: Path) -> None:
    sources = {count.source for count in rejected}
    with pq.ParquetWriter(path, REJECTED_SCHEMA, compression="zstd") as writer:
        for table in raw.tables:
            if table.source in sources:
                with explained_errors(f"reading {table.file.path}"):
                    for batch in engine.sql(rejected_rows_sql(table)).to_arrow_reader(BATCH_ROWS):
                        writer.write_batch(batch.cast(REJECTED_SCHEMA))
