"""Examples of a raw folder as the pipeline makes them, for the benchmarks that train on real labels."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from belka.contract import Subset

if TYPE_CHECKING:
    from pipeline.config.settings import Config


@dataclass(frozen=True)
class SampleData:
    """Where the pipeline's plain functions left their results.

    Args:
        examples_dir: TFRecord Examples by split.
        transform_graph_dir: The transform graph with vocab.txt.
    """

    examples_dir: Path
    transform_graph_dir: Path

    def files(self, *subsets: Subset) -> tuple[str, ...]:
        """The TFRecord files of some splits, in the order of their names."""
        return tuple(
            str(path)
            for subset in subsets
            for path in sorted((self.examples_dir / f"Split-{subset.split}").glob("data_tfrecord-*"))
        )


def make_sample_data(config: "Config", seed: int, folder: Path) -> SampleData:
    """Merge, scan the vocabulary and write Examples, unless `folder` holds them already.

    Args:
        config: Where the raw files are, how blocks are held out, what the fingerprint is.
        seed: Seed of the held-out blocks; takes the place of `config.system.seed`.
        folder: Receives everything.
    """
    from belka.machine import worker_count
    from belka.tokens.vocabulary import build_vocabulary
    from components.molecule_transform.transform import TransformInputs, TransformOutputs, transform_molecules
    from components.parquet_merge.merge import merge_raw_files
    from pipeline.create_pipeline import PREPROCESSING_FN

    made = SampleData(folder / "examples", folder / "graph")
    if (folder / "rejected" / "transform_summary.json").is_file():
        return made
    molecules, vocabulary = folder / "molecules", folder / "vocabulary"
    system = config.system.model_copy(update={"seed": seed, "spill_dir": None})
    merge_raw_files(Path(config.data.raw_dir), molecules, data=config.data, system=system)
    build_vocabulary(molecules, vocabulary, n_workers=worker_count(system.n_workers))
    transform_molecules(
        TransformInputs(molecules, vocabulary),
        TransformOutputs(made.examples_dir, made.transform_graph_dir, folder / "rejected"),
        data=config.data,
        fingerprint=config.fingerprint,
        max_length=config.model.max_length,
        preprocessing_fn=PREPROCESSING_FN,
    )
    return made


def finished(results: Path) -> set[tuple[str, int]]:
    """The models and seeds a results file (one JSON object a line) holds already."""
    if not results.is_file():
        return set()
    rows = map(json.loads, results.read_text(encoding="utf-8").splitlines())
    return {(row["model"], row["seed"]) for row in rows}
