"""MoleculeTransform: molecules to TFRecord Examples with token ids and fingerprints, and the TransformGraph."""

import functools
import json
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import rdkit

from belka.chemistry.blocks.compose import fingerprint_source
from belka.chemistry.fingerprints import FingerprintSettings
from belka.contract import COUNTS_FILE, REJECTED_FILE, TRANSFORM_SUMMARY_FILE, Subset, split_folder
from belka.errors import InputError
from belka.examples import write_counts
from belka.files import atomic_path
from belka.molecules import list_shards
from belka.progress import expect
from belka.rejections import collect_rejected, share_advice
from belka.settings import DataSettings
from belka.tokens.vocabulary import read_vocabulary
from components.molecule_transform.local_pipeline import local_pipeline
from components.molecule_transform.plan import WorkUnit, plan_units
from components.molecule_transform.transform_graph import write_transform_graph
from components.molecule_transform.unit import ENCODING, ModelReads, TransformUnit, UnitSettings
from components.molecule_transform.unit_report import UnitCounts, merge_unit_reports

logger = logging.getLogger(__name__)
_REPORTS_FOLDER = ".units"
_COUNTS_OF_BLOCKS = ("without_blocks", "first_without_blocks")


@dataclass(frozen=True)
class TransformInputs:
    """Folders that MoleculeTransform reads.

    Attributes:
        molecules: Written by ParquetMerge.
        vocabulary: Holds vocab.txt.
        block_fingerprints: Written by `learn_block_fingerprints`: fingerprints are composed from it where it licenses
            that; None = every fingerprint is computed from its SMILES, as all other kinds than ecfp are.
    """

    molecules: Path
    vocabulary: Path
    block_fingerprints: Path | None = None


@dataclass(frozen=True)
class TransformOutputs:
    """Folders that MoleculeTransform writes.

    Attributes:
        examples: Receives `Split-<split>/data_tfrecord-*`; a split without molecules gets one shard without records.
            counts.json says how many each holds.
        transform_graph: Receives the graph, in the layout of tensorflow_transform.TFTransformOutput.
        rejected: Receives rejected.parquet (always, also empty) and transform_summary.json.
        lists: Receives rejected.parquet, rows that the merge refused included, where too many molecules are unusable:
            the runner removes the other folders then. None = it does not.
    """

    examples: Path
    transform_graph: Path
    rejected: Path
    lists: Path | None = None


def transform_molecules(
    inputs: TransformInputs,
    outputs: TransformOutputs,
    *,
    data: DataSettings,
    fingerprint: FingerprintSettings,
    reads: ModelReads,
    preprocessing_fn: str,
    make_pipeline: Callable[[], beam.Pipeline] = local_pipeline,
    in_process_below: int = 0,
) -> dict[str, Any]:
    """Write Examples of all molecules and the graph that tokenizes SMILES at serving, and return the summary.

    The elements of the Beam pipeline are whole shards: nothing is shuffled, and a shard holds the same bytes whatever
    the runner and the number of workers. A killed run starts again from the beginning; it leaves no half-written shard.

    Args:
        inputs: What is read.
        outputs: What is written.
        data: Compression and size of the shards, and the share of unusable molecules above which the step fails.
        fingerprint: The fingerprint of the Examples.
        reads: What the model reads of the Examples.
        preprocessing_fn: Import path of the function to trace, see `write_transform_graph`.
        make_pipeline: Makes the Beam pipeline for the shards.
        in_process_below: With fewer molecules the shards are written in process: starting workers would take longer.

    Raises:
        InputError: If the molecules, the vocabulary, the block fingerprints or a setting is wrong, or too many
            molecules are unusable.
        BelkaError: If a composed fingerprint differs from RDKit's; it names the molecule.
    """
    units = plan_units(list_shards(inputs.molecules), outputs.examples, data)
    vocabulary = read_vocabulary(inputs.vocabulary)
    make_fingerprints = functools.partial(fingerprint_source, fingerprint, inputs.block_fingerprints, inputs.molecules)
    make_fingerprints()  # what is wrong with the tables is said here, not by a worker
    _remove_earlier_output(outputs.examples, outputs.rejected)
    write_transform_graph(outputs.transform_graph, preprocessing_fn=preprocessing_fn, vocabulary=vocabulary)
    reports_dir = str(outputs.rejected / _REPORTS_FOLDER)
    settings = UnitSettings(str(outputs.transform_graph), reports_dir, make_fingerprints, reads)
    _write_shards(units, settings, make_pipeline, in_process_below=in_process_below)
    by_unit = merge_unit_reports(map(settings.report_path, units), outputs.rejected)
    shutil.rmtree(reports_dir)
    write_counts(outputs.examples, {Path(u.target): counts.written for u, counts in zip(units, by_unit, strict=True)})
    total, by_split = _totals(units, by_unit)
    counts = {name: value for name, value in asdict(total).items() if reads.blocks or name not in _COUNTS_OF_BLOCKS}
    summary = counts | {
        "splits": by_split,
        "vocabulary_size": len(vocabulary),
        "ecfp": fingerprint.stored(),
        "max_length": reads.max_length,
        "rdkit_version": rdkit.__version__,
    }
    with atomic_path(outputs.rejected / TRANSFORM_SUMMARY_FILE) as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n")
    _report(total, max_length=reads.max_length)
    if total.molecules - total.written > data.max_rejected_share * total.molecules:
        _refuse(total, data.max_rejected_share, inputs, outputs)
    return summary


def _write_shards(
    units: Sequence[WorkUnit],
    settings: UnitSettings,
    make_pipeline: Callable[[], beam.Pipeline],
    *,
    in_process_below: int,
) -> None:
    n_rows = sum(unit.n_rows for unit in units)
    expect(ENCODING, "molecules", n_rows)
    with local_pipeline() if n_rows < in_process_below else make_pipeline() as pipeline:
        spread = pipeline | "Units" >> beam.Create(units, reshuffle=False) | "Spread" >> beam.Reshuffle()
        _ = spread | "WriteShards" >> beam.ParDo(TransformUnit(settings))


def _refuse(total: UnitCounts, max_rejected_share: float, inputs: TransformInputs, outputs: TransformOutputs) -> None:
    """Fail, with the list of refused molecules in a folder that stays."""
    path = outputs.rejected / REJECTED_FILE
    if outputs.lists:
        lists = [list_ for list_ in (inputs.molecules / REJECTED_FILE, path) if list_.is_file()]
        try:
            collect_rejected(lists, outputs.lists / REJECTED_FILE)
            path = outputs.lists / REJECTED_FILE
        except OSError:
            logger.exception("The list of refused molecules cannot be written to %s.", outputs.lists)
    raise InputError(
        "Too many molecules cannot be used.",
        received=f"{total.molecules - total.written:,} of {total.molecules:,} rejected ({total.rejected}), "
        f"for example {total.first_rejected}",
        expected=f"at most a share of {max_rejected_share}",
        action=f"See {path}. {share_advice(total.rejected, total.molecules)}",
    )


def _remove_earlier_output(examples_dir: Path, rejected_dir: Path) -> None:
    """Remove what an earlier run left: shards that other settings named otherwise, temporary files of a killed run."""
    shutil.rmtree(rejected_dir / _REPORTS_FOLDER, ignore_errors=True)
    (examples_dir / COUNTS_FILE).unlink(missing_ok=True)
    for subset in Subset:
        shutil.rmtree(examples_dir / split_folder(subset.split), ignore_errors=True)


def _totals(units: Sequence[WorkUnit], by_unit: Sequence[UnitCounts]) -> tuple[UnitCounts, dict[str, dict[str, int]]]:
    """Add the counts up, in all and by split."""
    total = UnitCounts()
    by_split = {subset.split: {"molecules": 0, "written": 0, "shards": 0} for subset in Subset}
    for unit, counts in zip(units, by_unit, strict=True):
        total.add(counts)
        by_split[unit.split]["molecules"] += counts.molecules
        by_split[unit.split]["written"] += counts.written
        by_split[unit.split]["shards"] += 1
    return total, by_split


def _report(total: UnitCounts, *, max_length: int) -> None:
    """Log what is unusual."""
    n_rejected = total.molecules - total.written
    logger.info("%d of %d fingerprints composed from building blocks.", total.composed, total.molecules)
    if total.contradicted:
        logger.warning(
            "%d of %d molecules do not fit the building blocks they are listed with, for example %s; their "
            "fingerprints are computed from the SMILES.",
            total.contradicted,
            total.molecules,
            total.first_contradicted,
        )
    if total.too_long:
        logger.warning(
            "%d of %d molecules have more than %d tokens and will be truncated, for example %s.",
            total.too_long,
            total.written,
            max_length,
            total.first_too_long,
        )
    if total.unknown_tokens:
        logger.warning(
            "%d tokens are not in the vocabulary, for example in %s.", total.unknown_tokens, total.first_unknown
        )
    if total.without_blocks:
        logger.warning(
            "%d of %d molecules have no three building blocks with one linker, for example %s: members of the model "
            "that read blocks do not score them.",
            total.without_blocks,
            total.written,
            total.first_without_blocks,
        )
    if n_rejected:
        logger.warning("%d of %d molecules rejected: %s.", n_rejected, total.molecules, total.rejected)
