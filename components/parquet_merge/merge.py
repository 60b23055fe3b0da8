"""ParquetMerge without an orchestrator: raw BELKA files in, one row per molecule out, in bounded memory.

Three stages, each streaming:

1. partition: raw rows are checked and dealt out to partitions by the hash of their SMILES, all of which are brought to
   the one spelling where a sample of them is not in it;
2. group: each partition is grouped in memory to molecules, which have a seeded random order;
3. shards: the molecules, in that order, are cut into even shards.

Training may therefore read the shards front to back with a small shuffle buffer: neighbouring rows are unrelated.
"""

import json
import logging
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from belka.chemistry.spelling import CANONICAL
from belka.contract import BLOCKS_FILE, CONFLICTS_FILE, REJECTED_FILE, SUMMARY_FILE, TEST_ALIASES_FILE
from belka.files import atomic_path
from belka.machine import worker_count
from belka.queries import explained_errors
from belka.settings import DataSettings, SystemSettings
from components.parquet_merge.blocks import make_block_table, write_blocks
from components.parquet_merge.group import group_partitions
from components.parquet_merge.partition import Dealt, estimate_bytes, partition_rows
from components.parquet_merge.raw_input import RawInput, open_raw_input
from components.parquet_merge.refusals import kept_list, write_rejected
from components.parquet_merge.shards import write_shards
from components.parquet_merge.spelling import Speller, count_respelled, find_deviations, write_respelled
from components.parquet_merge.summary import make_summary
from components.parquet_merge.workspace import check_room, open_engine, work_folder

logger = logging.getLogger(__name__)


def merge_raw_files(
    raw_dir: Path, output_dir: Path, *, data: DataSettings, system: SystemSettings, lists_dir: Path | None = None
) -> dict[str, Any]:
    """Merge the raw files into the molecules table, and return the summary, which is also written to summary.json.

    The result depends on the content of the files, the seed and the shares only: not on the order of the raw rows, the
    number of workers or the memory limit. The folder appears whole or not at all; an existing one is replaced.

    Args:
        raw_dir: Folder with train.parquet|csv, test.parquet|csv and maybe DNA_Labeled_Data.csv.
        output_dir: Folder of the Molecules artifact: Split-*/molecules-NNNNN.parquet, blocks.parquet, rejected.parquet,
            conflicts.parquet, test_aliases.parquet, summary.json.
        data: Targets, shares of validation, largest share of unusable rows, size of the shards.
        system: Seed, memory budget, threads and folder for temporary files (null = beside the output).
        lists_dir: Receives rejected.parquet where too many rows are unusable, and so no output appears; None = the
            parent of `output_dir`.

    Raises:
        InputError: If a file is missing, unreadable or of the wrong form, too many rows are unusable, there are too
            many targets.
        RunAgainError: If there is no room for temporary files and the output.
        BelkaError: If the pairs written are not exactly the pairs read.
    """
    system = system.model_copy(update={"n_workers": worker_count(system.n_workers)})
    started = time.monotonic()
    with (
        work_folder(output_dir.parent) as staging,
        work_folder(Path(system.spill_dir) if system.spill_dir else staging) as work_dir,
    ):
        folder = staging / "molecules"
        folder.mkdir()
        lists_path = (lists_dir or output_dir.parent) / REJECTED_FILE
        raw, dealt, spelling_counts = _deal_out(
            raw_dir, folder, work_dir, data=data, system=system, lists_path=lists_path
        )
        if not any(raw.blocks.training_positions) and data.validation_shared_share == 0:
            logger.warning(
                "The training file has no building blocks: molecules are held out one by one. If it has, name their "
                "columns with data.columns.block1 to block3."
            )
            data = data.model_copy(update={"validation_shared_share": data.validation_block_share})
        share = data.validation_block_share
        blocks = make_block_table(raw.blocks, dealt.used_blocks, seed=system.seed, share=share)
        conflicts = folder / CONFLICTS_FILE
        stores, counts, aliases = group_partitions(
            dealt.partitions, blocks, data=data, system=system, work_dir=work_dir, conflicts_path=conflicts
        )
        counts.update(spelling_counts, smiles_names_cut=dealt.names_cut)
        write_shards(stores, dealt.partitions, folder, rows_per_shard=data.rows_per_shard, n_workers=system.n_workers)
        write_blocks(blocks, folder / BLOCKS_FILE)
        pq.write_table(aliases, folder / TEST_ALIASES_FILE)
        summary = make_summary(raw, dealt, blocks, counts, data=data, seed=system.seed)
        (folder / SUMMARY_FILE).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        with atomic_path(output_dir) as temporary:
            folder.rename(temporary)
    n_molecules = sum(store.n_rows for store in stores)
    logger.info("%s molecules written in %.1f s.", f"{n_molecules:,}", time.monotonic() - started)
    return summary


def _deal_out(
    raw_dir: Path, folder: Path, work_dir: Path, *, data: DataSettings, system: SystemSettings, lists_path: Path
) -> tuple[RawInput, Dealt, dict[str, int]]:
    """The first stage; once more with copies in the one spelling where files are not in it."""
    respelled: dict[str, Path] = {}
    with Speller(system.n_workers) as speller:
        while True:
            with closing(open_engine(system, temp_dir=work_dir / "duckdb")) as engine:
                raw = open_raw_input(engine, raw_dir, data=data, work_dir=work_dir, respelled=respelled)
                with kept_list(engine, raw.files, lists_path):
                    dealt = partition_rows(engine, raw, data=data, system=system, work_dir=work_dir, output_dir=folder)
                # A second look would find the few SMILES whose canonical form has another one.
                deviating = []
                if data.spelling == CANONICAL and not respelled:
                    deviating = find_deviations(raw.files, dealt.samples, speller)
                if not deviating:
                    sources = {count.source for count in dealt.rejected}
                    rejecting = [file for file in raw.files if file.source in sources]
                    write_rejected(engine, rejecting, folder / REJECTED_FILE)
                    return raw, dealt, count_respelled(engine, raw.n_rows, respelled)
                check_room([(work_dir, estimate_bytes(engine, raw).records)])
                for partitions in dealt.partitions.values():
                    partitions.remove_all()
                for file in deviating:
                    copy = respelled[file.source] = work_dir / f"{file.source}-respelled.parquet"
                    with explained_errors(f"reading {file.path}"):
                        write_respelled(engine, file, raw.n_rows[file.source], speller, copy)
