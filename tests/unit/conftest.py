"""A molecules table written by hand, for whatever reads one; the readers of other projects; programs as modules."""

import importlib.util
import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

READERS = Path(__file__).parent / "pipeline" / "interchange" / "readers.py"
READER = Path(__file__).parents[2] / ".envs" / "metadata" / "bin" / "python"
Read = Callable[[str, Path], subprocess.CompletedProcess[str]]
# Split, ids of the three blocks, labels.
Row = tuple[str, tuple[int | None, int | None, int | None], Sequence[int]]


def load_program(file: Path) -> ModuleType:
    """A program that lies in no package, such as those of .ci and docs."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    return program


def write_molecules(
    folder: Path, blocks: Sequence[str], rows: Sequence[Row], targets: Sequence[str], n_shards: int = 1
) -> Path:
    for split in ("train", "validation", "test"):
        of_split = [row for row in rows if row[0] == split]
        for shard in range(n_shards):
            part = of_split[shard::n_shards]
            columns = {
                **{f"block{i + 1}_id": pa.array([ids[i] for _, ids, _ in part], pa.int32()) for i in range(3)},
                "binds": pa.array([list(labels) for *_, labels in part], pa.list_(pa.int8(), len(targets))),
            }
            path = folder / f"Split-{split}" / f"molecules-{shard:05d}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.table(columns), path)
    catalogue = {"block_id": pa.array(range(len(blocks)), pa.int32()), "smiles": pa.array(blocks, pa.string())}
    pq.write_table(pa.table(catalogue), folder / "blocks.parquet")
    (folder / "summary.json").write_text(json.dumps({"settings": {"targets": list(targets)}}))
    return folder


@pytest.fixture(scope="session")
def molecules_writer() -> Callable[..., Path]:
    """Writes a molecules table: folder, blocks in the order of their ids, rows, targets, shards of each split."""
    return write_molecules


@pytest.fixture(scope="session")
def read_elsewhere() -> Read:
    """Run the readers of other projects, in their own environment, on a file."""
    if not READER.is_file():
        pytest.skip("the readers are absent; `make test-metadata` installs them")

    def run(kind: str, file: Path) -> subprocess.CompletedProcess[str]:
        command = [str(READER), str(READERS), kind, str(file)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run
