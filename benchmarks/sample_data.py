"""Examples of a raw folder as the pipeline makes them, for the benchmarks that train on real labels."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from belka.contract import DESCRIPTORS_FILE, TRANSFORM_SUMMARY_FILE, SplitGroup, Subset
from belka.examples import list_examples
from belka.machine import worker_count
from belka.models.members import needs_blocks
from components.descriptor_sample.write import Wanted, write_sample
from components.molecule_transform.transform import TransformInputs, TransformOutputs, transform_molecules
from components.molecule_transform.unit import ModelReads
from components.parquet_merge.merge import merge_raw_files
from components.smiles_vocab.build import build_vocabulary
from pipeline.config.settings import Config
from pipeline.create_pipeline import PREPROCESSING_FN


@dataclass(frozen=True)
class SampleData:
    """Where the pipeline's plain functions left their results.

    Attributes:
        examples_dir: TFRecord Examples by split.
        transform_graph_dir: The transform graph with vocab.txt.
    """

    examples_dir: Path
    transform_graph_dir: Path

    def files(self, *subsets: Subset) -> tuple[str, ...]:
        """The TFRecord files of some splits, in the order of their names."""
        return tuple(str(path) for subset in subsets for path in list_examples(self.examples_dir, subset.split))


def make_sample_data(config: Config, seed: int, folder: Path) -> SampleData:
    """Merge, scan the vocabulary and write Examples, unless `folder` holds them already.

    Args:
        config: Where the raw files are, how blocks are held out, what the fingerprint is.
        seed: Seed of the held-out blocks; takes the place of `config.system.seed`.
        folder: Receives everything.
    """
    made = SampleData(folder / "examples", folder / "graph")
    if (folder / "rejected" / TRANSFORM_SUMMARY_FILE).is_file():
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
        reads=ModelReads(config.model.max_length, needs_blocks(config.model.members)),
        preprocessing_fn=PREPROCESSING_FN,
    )
    return made


def make_described(config: Config, seed: int, folder: Path) -> SampleData:
    """Write the Examples of the stage mtr, unless `folder` holds them already, which `make_sample_data` filled.

    Args:
        config: Which molecules have descriptors.
        seed: Seed of the sample; takes the place of `config.system.seed`.
        folder: Receives them.
    """
    made = SampleData(folder / "described", folder / "graph")
    if not (made.examples_dir / DESCRIPTORS_FILE).is_file():
        wanted = Wanted(
            config.descriptors,
            seed=seed,
            use_test_molecules=config.training.use_test_molecules,
            n_workers=worker_count(config.system.n_workers),
        )
        write_sample(folder / "molecules", made.transform_graph_dir, made.examples_dir, wanted)
    return made


def finished(results: Path) -> set[tuple[str, int]]:
    """The models and seeds a results file (one JSON object a line) holds already."""
    if not results.is_file():
        return set()
    rows = map(json.loads, results.read_text(encoding="utf-8").splitlines())
    return {(row["model"], row["seed"]) for row in rows}


def append_result(results: Path, model: str, seed: int, scores: Mapping[str, Any]) -> None:
    """Append what `finished` and `benchmarks.results` read."""
    with results.open("a") as stream:
        stream.write(json.dumps({"model": model, "seed": seed, **scores}) + "\n")


def precision_cells(scores: Mapping[str, float], targets: Sequence[str]) -> dict[str, float]:
    """Average precision by `target/group`, from the trainer's names of them."""
    return {
        f"{target}/{group.label}": scores[f"val_ap_{target}_{group.label}"]
        for group in SplitGroup
        for target in targets
    }


def options(description: str | None) -> argparse.ArgumentParser:
    """The command-line options that all benchmarks on real labels share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--config", type=Path, default=Path("configs/leash_sample.yaml"))
    parser.add_argument("--raw-dir", required=True)
    parser.add_argument("--work-dir", type=Path, required=True, help="folder for Examples and models")
    parser.add_argument("--results", type=Path, required=True, help="results, one JSON object per line")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    return parser
