"""What earlier runs and kills left in an output directory and nothing needs any more."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ml_metadata.proto import metadata_store_pb2

from belka.contract import METADATA_FILE
from belka.files import abandoned, remove
from pipeline.runners.metadata_store import connect, is_store, reading
from pipeline.runners.outcomes import read_outcomes

PIPELINE_ROOT: Final = "pipeline_root"
_SYSTEM: Final = ".system"  # TFX's own folder beside the outputs of a node


@dataclass(frozen=True)
class Leftover:
    """A file or folder that can go.

    Attributes:
        path: Where it is.
        why: What it is.
        n_bytes: Its size, bytes.
    """

    path: Path
    why: str
    n_bytes: int


def find_leftovers(output_dir: Path) -> list[Leftover]:
    """Find what can go: outputs that a later one has replaced or that were never finished, half files, damaged files.

    The last whole output of every step stays, and so do pushed models, checkpoints, logs and results.

    Args:
        output_dir: The output directory; no run works in it.

    Returns:
        Sorted by path.
    """
    found = dict(_found(output_dir))
    return [Leftover(path, why, _size(path)) for path, why in sorted(found.items())]


def remove_leftovers(leftovers: list[Leftover], output_dir: Path) -> None:
    """Remove them, and have the cache forget the outputs among them.

    Args:
        leftovers: What `find_leftovers` found.
        output_dir: The output directory.
    """
    gone = {str(each.path) for each in leftovers}
    database = output_dir / METADATA_FILE
    if is_store(database):
        store = connect(database)
        lost = [artifact for artifact in store.get_artifacts() if artifact.uri in gone]
        for artifact in lost:
            artifact.state = metadata_store_pb2.Artifact.DELETED
        if lost:
            store.put_artifacts(lost)
    for each in leftovers:
        remove(each.path)


def _found(output_dir: Path) -> Iterator[tuple[Path, str]]:
    yield from ((path, "a damaged file that was set aside") for path in output_dir.glob("*.damaged-*"))
    folders = [output_dir, *(path for path in output_dir.glob("*") if path.is_dir() and path.name != PIPELINE_ROOT)]
    for folder in folders:
        yield from ((path, "half-written when its process ended") for path in abandoned(folder))
    root = output_dir / PIPELINE_ROOT
    kept = _last_outputs(output_dir / METADATA_FILE)
    if not kept:  # without a store nobody knows what counts
        return
    for node in root.glob("*"):
        for output in node.glob("[!.]*"):
            for execution in output.glob("*"):
                if execution.resolve() not in kept:
                    yield execution, "an output that a later one has replaced, or that was not finished"
        for state in (node / _SYSTEM).glob("*/*"):
            if any(file.is_file() for file in state.rglob("*")):
                yield state, "TFX's working folder of an execution that has ended"


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else (path,)
    return sum(file.lstat().st_size for file in files if not file.is_dir())


def _last_outputs(database: Path) -> set[Path]:
    """The folders of the last whole output of every node, of all pipelines that ran here."""
    if not is_store(database):
        return set()
    with reading(database) as store:
        pipelines = [context.name for context in store.get_contexts_by_type("pipeline")]
    outcomes = [outcome for name in pipelines for outcome in read_outcomes(database, name).values()]
    return {path.resolve() for outcome in outcomes for path in outcome.outputs.values()}
