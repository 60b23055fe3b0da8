"""Write the Examples of the stage mtr: tokens, and descriptors on one scale."""

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import rdkit
import tensorflow as tf
from numpy.typing import NDArray

from belka.chemistry.descriptors import DESCRIPTORS, describe
from belka.contract import COUNTS_FILE, DESCRIPTORS_FILE, Subset, split_folder
from belka.errors import InputError
from belka.examples import encode_described, open_examples, write_counts
from belka.files import atomic_path
from belka.progress import progress
from belka.tokens.graph import SmilesTokenizer
from belka.workers import WorkerPool
from components.descriptor_sample.sample import Sampled, drawn, join_all, recombined, rows_of
from components.descriptor_sample.scaling import DescriptorScale
from components.descriptor_sample.settings import DescriptorSettings

logger = logging.getLogger(__name__)

SHARD_ROWS: Final = 50_000
_CHUNK: Final = 512  # molecules a worker gets at once
_IN_PROCESS: Final = 2_048  # with fewer, one process is done before others have started
_ORDERING: Final = 8  # of the random numbers: others than those of the rest of the run

# Maps a function of several items over items, in their order.
_Run = Callable[[Callable[[Sequence[Any]], Iterable[Any]], Sequence[Any]], Iterator[Any]]


@dataclass(frozen=True)
class Wanted:
    """What is wanted.

    Attributes:
        settings: The section `descriptors`.
        seed: `system.seed`.
        use_test_molecules: Whether test molecules may train (`training.use_test_molecules`).
        n_workers: Processes, at least 1.
    """

    settings: DescriptorSettings
    seed: int
    use_test_molecules: bool = False
    n_workers: int = 1

    @property
    def subsets(self) -> tuple[Subset, ...]:
        """Subsets of the Examples."""
        return (Subset.TRAIN, Subset.VALIDATION, *((Subset.TEST,) if self.use_test_molecules else ()))


@dataclass(frozen=True)
class _Described:
    """Molecules of a split with their descriptors, float64 [n, n_descriptors]."""

    sampled: Sampled
    values: NDArray[np.float64]
    unusable: int


def write_sample(molecules_dir: Path, graph_dir: Path, examples_dir: Path, wanted: Wanted) -> dict[str, Any]:
    """Draw molecules, compute their descriptors, and write Examples.

    The same bytes for the same molecules, settings and seed, whatever the number of workers. A killed run starts again
    from the beginning.

    Args:
        molecules_dir: Folder written by ParquetMerge.
        graph_dir: TransformGraph that tokenizes SMILES.
        examples_dir: Receives `Split-<split>/data_tfrecord-*.gz`, counts.json and descriptors.json.
        wanted: Which molecules.

    Returns:
        The content of descriptors.json.

    Raises:
        InputError: The molecules cannot be read, or none can be learnt from.
    """
    samples, n_recombined = choose_molecules(molecules_dir, wanted)
    total = sum(len(sampled.smiles) for sampled in samples.values())
    with _workers(wanted.n_workers, total) as run, progress("describing", "molecules", total) as done:
        described = {subset: _describe(sampled, run, done.add) for subset, sampled in samples.items()}
    learnt = [found.values for subset, found in described.items() if subset is not Subset.VALIDATION]
    if not sum(map(len, learnt)):
        raise InputError(
            "There is no molecule to learn descriptors from.",
            received=f"{len(samples[Subset.TRAIN].smiles)} training molecules that RDKit reads none of",
            expected="training molecules",
            action="Look at the molecules of the step generate_parquet, or take mtr out of training.stages.",
        )
    scale = DescriptorScale.fit(learnt)
    (examples_dir / COUNTS_FILE).unlink(missing_ok=True)
    tokenize = SmilesTokenizer(graph_dir)
    counts: dict[Path, int] = {}
    for subset, found in described.items():
        counts |= _write_split(examples_dir / split_folder(subset.split), found, scale, tokenize)
    write_counts(examples_dir, counts)
    content = {**scale.told(DESCRIPTORS), **_told(described, n_recombined), "rdkit_version": rdkit.__version__}
    with atomic_path(examples_dir / DESCRIPTORS_FILE) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    _report(content)
    return content


def choose_molecules(molecules_dir: Path, wanted: Wanted) -> tuple[dict[Subset, Sampled], int]:
    """Choose the molecules of each split.

    Args:
        molecules_dir: Folder written by ParquetMerge.
        wanted: Which molecules.

    Returns:
        Subset -> molecules, those of train in random order; and how many of these are recombinations.
    """
    settings, seed = wanted.settings, wanted.seed
    n_recombined = round(settings.molecules * settings.recombined_share)
    n_drawn = settings.molecules - n_recombined
    rows = {subset: rows_of(molecules_dir, subset) for subset in wanted.subsets}
    n_test = n_drawn * rows.get(Subset.TEST, 0) // max(1, rows[Subset.TRAIN] + rows.get(Subset.TEST, 0))
    sizes = {Subset.TRAIN: n_drawn - n_test, Subset.VALIDATION: settings.validation_molecules, Subset.TEST: n_test}
    samples = {subset: drawn(molecules_dir, subset, sizes[subset], seed=seed) for subset in wanted.subsets}
    held_out = [Subset.VALIDATION, *(() if wanted.use_test_molecules else (Subset.TEST,))]
    with _workers(wanted.n_workers, n_recombined) as run:
        products = recombined(
            molecules_dir,
            n_recombined,
            without=samples[Subset.TRAIN],
            held_out=held_out,
            seed=seed,
            join=lambda triples: list(run(join_all, triples)),
        )
    samples[Subset.TRAIN] = _shuffled(samples[Subset.TRAIN], products, seed)
    return samples, len(products.smiles)


def _shuffled(first: Sampled, second: Sampled, seed: int) -> Sampled:
    smiles = [*first.smiles, *second.smiles]
    order = np.random.default_rng((seed, _ORDERING)).permutation(len(smiles))
    return Sampled([smiles[row] for row in order], np.concatenate([first.groups, second.groups])[order])


@contextmanager
def _workers(n_workers: int, total: int) -> Iterator[_Run]:
    """Yield what maps a function of several items over chunks of them, in their order, in worker processes."""
    if n_workers == 1 or total < _IN_PROCESS:
        yield lambda function, items: (each for chunk in _chunks(items) for each in function(chunk))
        return
    with WorkerPool(n_workers) as pool:
        yield lambda function, items: (each for chunk in pool.map(function, _chunks(items)) for each in chunk)


def _chunks(items: Sequence[Any]) -> list[Sequence[Any]]:
    return [items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK)]


def _describe(sampled: Sampled, run: _Run, count: Callable[[], None]) -> _Described:
    """Compute the descriptors; what is no molecule is left out."""
    values = np.empty((len(sampled.smiles), len(DESCRIPTORS)))
    for row, found in enumerate(run(describe, sampled.smiles)):
        values[row] = found
        count()
    usable: NDArray[np.bool_] = np.asarray(~np.isnan(values).all(axis=1))
    smiles = [text for text, kept in zip(sampled.smiles, usable, strict=True) if kept]
    return _Described(Sampled(smiles, sampled.groups[usable]), values[usable], int((~usable).sum()))


def _write_split(folder: Path, found: _Described, scale: DescriptorScale, tokenize: SmilesTokenizer) -> dict[Path, int]:
    """Write the shards of a split, at least one; file -> number of Examples."""
    smiles, groups = found.sampled
    n_shards = max(1, -(-len(smiles) // SHARD_ROWS))
    counts = {}
    for shard in range(n_shards):
        first, last = (len(smiles) * number // n_shards for number in (shard, shard + 1))
        path = folder / f"data_tfrecord-{shard:05d}-of-{n_shards:05d}.gz"
        ragged = tokenize(tf.constant(smiles[first:last], tf.string, shape=[last - first]))
        scaled = scale.applied(found.values[first:last])
        with open_examples(path) as write:
            for example in encode_described(
                ragged.values.numpy(), ragged.row_splits.numpy(), scaled, groups[first:last]
            ):
                write(example)
        counts[path] = last - first
    return counts


def _told(described: dict[Subset, _Described], n_recombined: int) -> dict[str, Any]:
    missing: Counter[str] = Counter()
    for found in described.values():
        counts = np.isnan(found.values).sum(axis=0)
        missing.update({name: int(count) for name, count in zip(DESCRIPTORS, counts, strict=True) if count})
    return {
        "molecules": {subset.split: len(found.sampled.smiles) for subset, found in described.items()},
        "recombined": n_recombined,
        "unusable": sum(found.unusable for found in described.values()),
        "not_finite": dict(missing),
    }


def _report(content: dict[str, Any]) -> None:
    logger.info(
        "Descriptors of %s molecules, %d of them recombinations of training blocks; the same in all: %s.",
        content["molecules"],
        content["recombined"],
        ", ".join(content["constant"]) or "none",
    )
    if content["unusable"]:
        logger.warning("%d texts are no molecules and have no descriptors.", content["unusable"])
    if content["not_finite"]:
        logger.warning("Descriptors that are no finite number, by molecules: %s.", content["not_finite"])
