"""`belka predict` on files of growing size: rate, memory, and what a kill half-way costs."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from belka.contract import RAW_SMILES
from belka.demo.hidden_rule import PROTEINS
from belka.digests import file_digest
from belka.errors import BelkaError
from belka.machine import worker_count
from benchmarks.generated_library import CHUNK, make_library
from pipeline.runners.peak_memory import PeakMemory

SEED: Final = 43
# Memory of the largest file over that of the others.
FLAT: Final = 1.05


@dataclass(frozen=True)
class PredictCost:
    """What a prediction took.

    Attributes:
        name: Which.
        seconds: Wall time; of one that was killed, up to the kill.
        peak_gb: Highest resident memory of the process tree, this process included, 10^9 bytes.
        rate: Molecules per second of wall time; None = not all of them were scored in it.
    """

    name: str
    seconds: float
    peak_gb: float
    rate: float | None = None


@dataclass(frozen=True)
class PredictLoad:
    """The predictions, and what was found of them.

    Attributes:
        costs: One for each size; of the largest also the one that was killed and the one that went on from there.
        equal: Whether the scores of the one that went on are those of the undisturbed one, byte by byte.
    """

    costs: tuple[PredictCost, ...]
    equal: bool

    @property
    def is_flat(self) -> bool:
        """Whether the largest file took no more memory than the smallest, by more than `FLAT`."""
        undisturbed = self.costs[:-2]
        return undisturbed[-1].peak_gb <= FLAT * undisturbed[0].peak_gb

    @property
    def goes_on(self) -> bool:
        """Whether going on after the kill cost less than starting anew."""
        return self.costs[-1].seconds < self.costs[-3].seconds


def measure_predict(model: Path, sizes: Sequence[int], *, work_dir: Path | None) -> PredictLoad:
    """Score generated molecules, files of each size in turn; kill the last prediction half-way and start it again.

    Args:
        model: Folder of a model, as `belka predict` takes it.
        sizes: Molecules of each file, ascending.
        work_dir: Folder for the files; None = the system's folder for temporary files.

    Returns:
        What each took.

    Raises:
        BelkaError: A prediction failed, or had ended before half of its time was over.
    """
    with TemporaryDirectory(prefix="belka-predict-", dir=work_dir) as folder:
        inputs = _inputs(Path(folder), sizes)
        outputs = [path.with_name(f"scores_{path.name}") for path in inputs]
        costs = [
            _predict(f"{size:,} molecules", size, _command(model, source, target))
            for size, source, target in zip(sizes, inputs, outputs, strict=True)
        ]
        again = outputs[-1].with_name("again.parquet")
        command = _command(model, inputs[-1], again)
        costs.append(_killed(command, costs[-1]))
        costs.append(_predict("the same command again", None, command))
        return PredictLoad(tuple(costs), file_digest(again) == file_digest(outputs[-1]))


def _command(model: Path, source: Path, target: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "belka",
        "predict",
        "--model",
        str(model),
        "--input",
        str(source),
        "--output",
        str(target),
    ]


def _predict(name: str, molecules: int | None, command: Sequence[str]) -> PredictCost:
    with PeakMemory() as memory:
        start = time.perf_counter()
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own command
        seconds = time.perf_counter() - start
        peak = memory.take()
    if done.returncode:
        raise BelkaError("The measured prediction failed.", received=done.stderr[-2000:])
    return PredictCost(name, seconds, peak / 1e9, molecules and molecules / seconds)


def _killed(command: Sequence[str], undisturbed: PredictCost) -> PredictCost:
    """Start the prediction and kill it, as the kernel does where memory is short, after half of its time."""
    with PeakMemory() as memory:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - our own command
        try:
            process.wait(timeout=undisturbed.seconds / 2)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        code = process.wait()
        seconds, peak = time.perf_counter() - start, memory.take()
    if code != -signal.SIGKILL:
        raise BelkaError("The prediction had ended before it could be killed.", received=f"exit code {code}")
    return PredictCost("killed half-way", seconds, peak / 1e9)


def _inputs(folder: Path, sizes: Sequence[int]) -> list[Path]:
    """Files of SMILES, each the beginning of the next."""
    raw = folder / "raw"
    make_library(raw, molecules=sizes[-1], seed=SEED, n_workers=worker_count(0))
    paths = [folder / f"{size}.parquet" for size in sizes]
    for path, size in zip(paths, sizes, strict=True):
        with pq.ParquetWriter(path, pa.schema([(RAW_SMILES, pa.string())])) as writer:
            for table in _molecules(raw / "train.parquet", size):
                writer.write_table(table)
    return paths


def _molecules(path: Path, wanted: int) -> Iterator[pa.Table]:
    """The first molecules of a raw file in which the rows of a molecule, one a protein, stand side by side."""
    rows = len(PROTEINS)
    for batch in pq.ParquetFile(path).iter_batches(batch_size=rows * CHUNK, columns=[RAW_SMILES]):
        kept = batch.column(0).take(pa.array(range(0, len(batch), rows)))[:wanted]
        wanted -= len(kept)
        yield pa.table({RAW_SMILES: kept})
        if not wanted:
            return


def print_load(load: PredictLoad, console: Console) -> None:
    """Print a line for each prediction, then what was found."""
    table = Table(box=None, pad_edge=False)
    for heading in ("prediction", "seconds", "molecules/s", "peak memory"):
        table.add_column(heading, justify="left" if heading == "prediction" else "right")
    for cost in load.costs:
        rate = "" if cost.rate is None else f"{cost.rate:,.0f}"
        table.add_row(cost.name, f"{cost.seconds:,.1f}", rate, f"{cost.peak_gb:.2f} GB")
    console.print(table)
    console.print(f"memory flat within {FLAT - 1:.0%}: {_yes(load.is_flat)}")
    console.print(f"going on costs less than starting anew: {_yes(load.goes_on)}; equal scores: {_yes(load.equal)}")


def _yes(held: bool) -> str:
    return "yes" if held else "no"
