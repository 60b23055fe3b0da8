"""Folders of a step that runs its Beam pipelines on an engine elsewhere: its workers open files themselves.

On one machine, and in Jobs that keep everything on a volume, the workers see the folders of the artifacts. A pod of
Kubeflow Pipelines has local copies of its own, so there a step's folders lie on a shared volume while it runs.
"""

import copy
import os
import shutil
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from tfx.types.value_artifact import ValueArtifact

from belka.contract import split_folder
from components.artifact_types import Artifacts
from components.engine_jobs import JobServer

# Folder of the step on the shared volume, while a block of `shared_folder` runs.
_SHARED: ContextVar[Path | None] = ContextVar("shared", default=None)


@contextmanager
def shared_folder(folder: Path) -> Iterator[None]:
    """Have `on_engine` put into a folder what an engine's workers open, while the block runs.

    Args:
        folder: The step's own, on a volume that the workers mount at the same path; it need not exist.
    """
    token = _SHARED.set(folder)
    try:
        yield
    finally:
        _SHARED.reset(token)


@contextmanager
def on_engine(
    flags: Sequence[str], inputs: Artifacts, outputs: Artifacts, *, splits: Collection[str] = ()
) -> Iterator[Artifacts]:
    """Prepare a step for an engine behind a job server. Where Beam runs on this machine there is nothing to prepare.

    Jobs that an earlier attempt of the step left are cancelled. Where `shared_folder` names a folder, what an
    earlier attempt left there is removed, the inputs are copied to it (linked, on one file system), and the outputs are
    written there; when the block ends without an error they are moved to their places. However it ends, nothing of it
    stays in the folder.

    Args:
        flags: Beam's flags.
        inputs: Channel -> artifacts.
        outputs: Channel -> artifacts; within the block their URIs are those of the shared folder.
        splits: The only splits of Examples that the step reads; none = all.

    Yields:
        The inputs as the block reads them.

    Raises:
        RunAgainError: The job server does not answer.
    """
    server, shared = JobServer.of(flags), _SHARED.get()
    if server is not None:
        server.cancel_jobs()
    if server is None or shared is None:
        yield inputs
        return
    shutil.rmtree(shared, ignore_errors=True)
    attempt = shared / uuid.uuid4().hex[:12]  # what could not be cancelled writes to a folder of its own
    try:
        staged = _staged(attempt / "inputs", inputs, splits)
        with _written_to(attempt / "outputs", outputs):
            yield staged
    finally:
        shutil.rmtree(attempt, ignore_errors=True)
        _remove_empty(shared)


def _staged(folder: Path, inputs: Artifacts, splits: Collection[str]) -> Artifacts:
    staged: Artifacts = {}
    kept = {split_folder(split) for split in splits}
    for name, artifacts in inputs.items():
        staged[name] = copies = [copy.deepcopy(each) for each in artifacts]
        for number, each in enumerate(copies):
            place = folder / name / str(number)
            _link(Path(each.uri), place, kept)
            each.uri = str(place)
    return staged


@contextmanager
def _written_to(folder: Path, outputs: Artifacts) -> Iterator[None]:
    """Have the outputs written to a folder, and move them to their own when the block ends without an error."""
    # A value is a file, which the step itself writes.
    folders = [each for artifacts in outputs.values() for each in artifacts if not isinstance(each, ValueArtifact)]
    places = [Path(each.uri) for each in folders]
    for number, each in enumerate(folders):
        (folder / str(number)).mkdir(parents=True)
        each.uri = str(folder / str(number))
    try:
        yield
        for number, place in enumerate(places):
            _move(folder / str(number), place)
    finally:
        for each, place in zip(folders, places, strict=True):
            each.uri = str(place)


def _link(source: Path, target: Path, splits: Collection[str]) -> None:
    """Copy a folder, by links where one file system holds both; of its splits those that are named."""
    for folder, _, names in os.walk(source, followlinks=True):
        below = Path(folder).relative_to(source)
        split = next(iter(below.parts), "")
        if splits and split.startswith(split_folder("")) and split not in splits:
            continue
        (target / below).mkdir(parents=True, exist_ok=True)
        for name in names:
            file = Path(folder, name).resolve()
            try:
                os.link(file, target / below / name)
            except OSError:  # another file system, or one without links
                shutil.copy2(file, target / below / name)


def _move(source: Path, target: Path) -> None:
    """Move what a folder holds into another one."""
    for folder, _, names in os.walk(source):
        below = target / Path(folder).relative_to(source)
        below.mkdir(parents=True, exist_ok=True)
        for name in names:
            shutil.move(Path(folder, name), below / name)


def _remove_empty(folder: Path) -> None:
    """Remove the folder of a step and the two above it, which are its run's, where they are empty."""
    with suppress(OSError):
        for each in (folder, *list(folder.parents)[:2]):
            each.rmdir()
