"""Checkpoints from which a killed run continues exactly where it was."""

import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from belka.code_version import code_version
from belka.contract import CHECKPOINT_STATE_FILE, Node
from belka.errors import InputError, RunAgainError
from belka.files import atomic_path
from belka.provenance import known_digest
from belka.settings import deciding
from trainer_module.model import Belka
from trainer_module.settings import MODES, RunSettings

logger = logging.getLogger(__name__)

# Keras's archive and not its HDF5 file: on a full disk HDF5 may crash the process, while Python's own write raises an
# OSError.
_VARIABLES: Final = "variables.keras"
_BEST: Final = "best.keras"
_KEPT: Final = 2
_DIGEST_BYTES: Final = 32  # at the end of each file
# What decides a result, but not what is computed up to a given step.
_OUTSIDE_KEY: Final = ("epochs", "stages", *MODES)
_CODE: Final = "trainer_module.run_fn"


@dataclass
class Progress:
    """Where a run is: everything but the variables of model and optimizer.

    Attributes:
        epoch: Epochs completed.
        step_in_epoch: Batches done in the current epoch.
        pass_index: Passes over the data completed.
        batch_in_pass: Batches done in the current pass.
        step: Batches done in all.
        validations: Validations done in all.
        loss_sum: Sum of the losses since the last validation.
        loss_count: Number of them.
        stopped: Whether training ended by early stopping: more epochs change nothing then.
        history: Scores of each validation.
        callbacks: State of the callbacks, by class name.
        has_best: Whether weights of a best validation were kept.
    """

    epoch: int = 0
    step_in_epoch: int = 0
    pass_index: int = 0
    batch_in_pass: int = 0
    step: int = 0
    validations: int = 0
    loss_sum: float = 0.0
    loss_count: int = 0
    stopped: bool = False
    history: list[dict[str, float]] = field(default_factory=list)
    callbacks: dict[str, dict[str, Any]] = field(default_factory=dict)
    has_best: bool = False


def run_key(run: RunSettings, files: Sequence[Path], extra: Sequence[str] = ()) -> str:
    """Name a run by what decides the steps that it takes; how many of them it takes is not part of it.

    Args:
        run: Settings.
        files: Files it reads: data, and the weights it starts from. Their names and contents count, not their folders,
            which are new in each execution of TFX.
        extra: Other strings that count, e.g. the vocabulary.

    Returns:
        `<mode>-<16 hexadecimal digits>`.
    """
    settings = deciding(run.model_copy(update={"training": run.training.for_mode(run.mode)}), Node.TRAINER)
    settings.pop("model_path", None)  # the weights in it are among the files
    for name in _OUTSIDE_KEY:
        settings["training"].pop(name)
    digest = hashlib.sha256(json.dumps([settings, list(extra), code_version(_CODE)], sort_keys=True).encode())
    for path in sorted(files, key=lambda item: (item.name, str(item))):
        digest.update(f"\n{path.name} {known_digest(path)}".encode())
    return f"{run.mode}-{digest.hexdigest()[:16]}"


class CheckpointStore:
    """The checkpoints of one run: the last two states and the best weights, each written whole or not at all.

    Each file ends with the digest of what is before it: a bit that flips in a count is still a count, and the training
    would go on from there to another result. Without the best weights a state is worth nothing: its training would end
    with the last ones, so that it starts over.

    Only the chief writes and reads; the other workers receive what it reads, so that all go on from the same bytes.

    Args:
        folder: Where they live.
        writes: Whether this process is the chief.
        share: Gives every worker the bytes that the chief holds.
    """

    def __init__(
        self, folder: Path, *, writes: bool = True, share: Callable[[bytes], bytes] = lambda content: content
    ) -> None:
        self.folder = folder
        self.writes = writes
        self._share = share

    def clear(self) -> None:
        """Forget everything."""
        if self.writes and self.folder.is_dir():
            shutil.rmtree(self.folder)

    def save(self, model: Belka, progress: Progress) -> None:
        """Write variables and progress, then drop the oldest.

        Raises:
            RunAgainError: If the disk is full or refuses; the checkpoints before stay.
        """
        if not self.writes:
            return
        with self._written(f"step-{progress.step:09d}") as temporary:
            temporary.mkdir()
            model.save(temporary / _VARIABLES)
            (temporary / CHECKPOINT_STATE_FILE).write_text(json.dumps(asdict(progress)), encoding="utf-8")
            for path in temporary.iterdir():
                _seal(path)
        for old in self._states()[:-_KEPT]:
            shutil.rmtree(old)

    def restore(self, model: Belka, *, epochs: int) -> Progress | None:
        """Load the newest readable checkpoint into model and optimizer.

        Args:
            model: The model.
            epochs: Epochs of the run. The checkpoints of a longer one are forgotten.

        Returns:
            Its progress, or None if there is no checkpoint.

        Raises:
            InputError: If the chief does other work than this worker.
        """
        own = self.folder.name
        if (chiefs := self._share(own.encode()).decode()) != own:
            raise InputError(
                "The workers were not started for the same training.",
                received=f"{own} here, {chiefs} at worker 0",
                expected="equal settings, data, model to start from and code on every worker",
                action="Start every worker with the same configuration on the same dataset.",
            )
        state, weights = self._newest(model, epochs) if self.writes else (b"", b"")
        state, weights = self._share(state), self._share(weights)
        if not state:
            return None
        progress = Progress(**json.loads(state))
        if not self.writes:
            _load(model, weights)
        logger.info("Continuing at epoch %d, step %d: %s.", progress.epoch, progress.step, _named(weights))
        return progress

    def _newest(self, model: Belka, epochs: int) -> tuple[bytes, bytes]:
        """Load the newest readable checkpoint; its state and weights, empty where the training starts over."""
        for folder in reversed(self._states()):
            try:
                state, weights = _unsealed(folder / CHECKPOINT_STATE_FILE), _unsealed(folder / _VARIABLES)
                found = Progress(**json.loads(state))
            except (OSError, ValueError, TypeError) as error:
                logger.warning("Checkpoint %s cannot be read (%s); trying the one before.", folder, error)
                continue
            if (found.epoch, found.step_in_epoch) > (epochs, 0):
                logger.info("Checkpoint %s is past epoch %d: starting over.", folder, epochs)
                self.clear()
                break
            try:
                if found.has_best:
                    _unsealed(self.folder / _BEST)
            except (OSError, ValueError) as error:
                logger.warning("The weights of the best validation cannot be read (%s): starting over.", error)
                self.clear()
                break
            _load(model, weights)
            return state, weights
        return b"", b""

    def save_best(self, model: Belka) -> None:
        """Keep the weights of the best validation.

        Raises:
            RunAgainError: If the disk is full or refuses.
        """
        if not self.writes:
            return
        with self._written(_BEST) as temporary:
            model.save(temporary)
            _seal(temporary)

    def restore_best(self, model: Belka, progress: Progress) -> None:
        """Load the weights of the best validation, if there are any; on every worker the same.

        Raises:
            RunAgainError: If they are damaged or gone.
        """
        if not progress.has_best:
            return
        try:
            own = _unsealed(self.folder / _BEST) if self.writes else b""
        except (OSError, ValueError) as error:
            raise RunAgainError(
                "The weights of the best validation cannot be read.",
                received=str(error),
                expected="the file as the training wrote it",
                action="Start the same command again: this stage starts over.",
            ) from error
        weights = self._share(own)
        _load(model, weights)
        logger.info("The weights of the best validation: %s.", _named(weights))

    def _states(self) -> list[Path]:
        return sorted(self.folder.glob("step-*")) if self.folder.is_dir() else []

    @contextmanager
    def _written(self, name: str) -> Iterator[Path]:
        try:
            with atomic_path(self.folder / name) as temporary:
                yield temporary
        except OSError as error:
            raise RunAgainError(
                "A checkpoint could not be written.",
                received=f"{self.folder}: {error}",
                expected="room on the disk and the right to write",
                action="Free space or move the output directory, then start the same command again: it continues from "
                "the last whole checkpoint.",
            ) from error


def _seal(path: Path) -> None:
    """Add its digest to the end of a file."""
    with path.open("r+b") as stream:
        digest = hashlib.file_digest(stream, "sha256").digest()
        stream.write(digest)  # at the end: all before it was read


def _unsealed(path: Path) -> bytes:
    """The content of a file.

    Raises:
        OSError: There is none.
        ValueError: It is not what its digest names.
    """
    content = path.read_bytes()
    if hashlib.sha256(content[:-_DIGEST_BYTES]).digest() != content[-_DIGEST_BYTES:]:
        raise ValueError(f"{path} is not as it was written")
    return content[:-_DIGEST_BYTES]


def _load(model: Belka, weights: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".keras") as stream:
        stream.write(weights)
        stream.flush()
        model.load_weights(stream.name)


def _named(weights: bytes) -> str:
    return f"SHA-256 {hashlib.sha256(weights).hexdigest()[:16]}"
