"""What the benchmarks share that train on real labels: their Examples, results files and options."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from belka.contract import DESCRIPTORS_FILE, SplitGroup
from belka.machine import worker_count
from components.descriptor_sample.write import Wanted, write_sample
from pipeline.config.settings import Config
from pipeline.tuning.sample_data import SampleData


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
