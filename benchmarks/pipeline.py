"""The whole pipeline on a million molecules: time and peak memory by step, against stated bounds."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from belka.contract import METRICS_FILE, Node
from belka.errors import BelkaError
from belka.machine import worker_count
from benchmarks.generated_library import make_library
from pipeline.steps import Step

SEED: Final = 42
# The stages share 100 batches of 256: this measures the pipeline around the training, not the training.
TRAINING: Final = ("training.batch_size=256", "training.epochs=1", "training.steps_per_epoch=100")


@dataclass(frozen=True)
class Bound:
    """What a step may take on two cores.

    Attributes:
        seconds: For a million molecules; steps that read them all grow with their number.
        peak_gb: Resident memory of the process tree, 10^9 bytes, whatever the number of molecules.
    """

    seconds: float
    peak_gb: float


# The tree holds TensorFlow and TFX, some 1.2 GB, before the first node of a step.
BOUNDS: Final[Mapping[str, Bound]] = {
    Node.PARQUET_MERGE: Bound(10, 2.5),
    Node.BLOCK_STATISTICS: Bound(10, 2.5),
    Node.SMILES_VOCAB: Bound(10, 2.5),
    Node.BLOCK_FINGERPRINTS: Bound(30, 3.5),
    Node.MOLECULE_TRANSFORM: Bound(120, 4.0),
    Node.STATISTICS_GEN: Bound(60, 4.0),
    Node.AFFINITY_EVALUATOR: Bound(300, 6.0),
    Node.BULK_INFERRER: Bound(300, 6.0),
    Node.SUBMISSION_WRITER: Bound(10, 6.0),
}


@dataclass(frozen=True)
class StepCost:
    """What a node took.

    Attributes:
        node: Node id.
        seconds: Wall time.
        peak_gb: Highest resident memory of the process tree while it ran, 10^9 bytes.
        bound: What it may take; None = not bounded.
    """

    node: str
    seconds: float
    peak_gb: float
    bound: Bound | None

    @property
    def is_within(self) -> bool:
        """Whether the bound was kept."""
        return self.bound is None or (self.seconds <= self.bound.seconds and self.peak_gb <= self.bound.peak_gb)


def run_pipeline(
    molecules: int, *, raw_dir: Path | None, overrides: Sequence[str], work_dir: Path | None
) -> list[StepCost]:
    """Run the pipeline from raw files to submission.csv, each step in a process of its own, as pods run them.

    In one process memory could not be told apart by step: what XLA compiles for a training stage stays until its end.

    Args:
        molecules: Training molecules to generate; scales the bounds of time.
        raw_dir: Raw files to take in place of generated ones.
        overrides: Further values of the configuration, section.key=value.
        work_dir: Folder for the data and the run; None = the system's folder for temporary files.

    Returns:
        What each node took, in the order they ran.

    Raises:
        BelkaError: The run failed.
    """
    with TemporaryDirectory(prefix="belka-pipeline-", dir=work_dir) as folder:
        output = Path(folder) / "output"
        if raw_dir is None:
            raw_dir = Path(folder) / "raw"
            make_library(raw_dir, molecules=molecules, seed=SEED, n_workers=worker_count(0))
        values = [word for value in (*TRAINING, *overrides) for word in ("--set", value)]
        # The raw files are known to the first step; the others read the configuration that it leaves.
        for step in Step:
            folders = ["--raw-dir", str(raw_dir), "--output-dir", str(output)]
            command = [sys.executable, "-m", "belka", "step", step, *folders, *values]
            done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own command
            if done.returncode:
                raise BelkaError(
                    f"The measured step {step} failed.",
                    received=done.stderr[-2000:] or f"exit code {done.returncode}",
                )
        steps: dict[str, Any] = json.loads((output / METRICS_FILE).read_text(encoding="utf-8"))["steps"]
    scale = max(1.0, molecules / 1e6)
    return [
        StepCost(node, step["seconds"], step["peak_mb"] / 1000, bound and Bound(bound.seconds * scale, bound.peak_gb))
        for node, step in steps.items()
        for bound in (BOUNDS.get(node),)
    ]


def print_costs(costs: Sequence[StepCost], console: Console) -> None:
    """Print a line for each node, and whether it kept its bound."""
    table = Table(box=None, pad_edge=False)
    for heading in ("node", "seconds", "at most", "peak memory", "at most", "bound"):
        table.add_column(heading, justify="left" if heading in {"node", "bound"} else "right")
    for cost in costs:
        limits = (f"{cost.bound.seconds:,.0f}", f"{cost.bound.peak_gb:.1f} GB") if cost.bound else ("", "")
        word = "" if cost.bound is None else "kept" if cost.is_within else "broken"
        table.add_row(cost.node, f"{cost.seconds:,.1f}", limits[0], f"{cost.peak_gb:.2f} GB", limits[1], word)
    console.print(table)
