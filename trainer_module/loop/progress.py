"""How far training is: batches of the epoch, loss, last validation, rate and time left."""

from collections.abc import Mapping
from typing import Final

from belka.progress import Tracker
from trainer_module.loop.checkpoints import Progress

# The figures of a validation that are told on the way. The average precision is named for what it is for: the one that
# decides about a model's release is computed by the evaluation, on all of the validation split.
_VALIDATION: Final = {
    "val_loss": "validation loss",
    "val_average_precision": "early-stopping average precision",
}


class ProgressLog:
    """Tell where training is, how fast it goes and when the epoch ends.

    Args:
        mode: Stage of training.
        batch_size: Molecules in a batch.
        epochs: Epochs at most; early stopping may end training before.
    """

    def __init__(self, mode: str, batch_size: int, epochs: int) -> None:
        self._mode, self._batch_size, self._epochs = mode, batch_size, epochs
        self._epoch: int | None = None
        self._tracker: Tracker | None = None
        self._epoch_steps = 0

    def tick(self, progress: Progress, epoch_steps: int) -> None:
        """Count a step.

        Args:
            progress: Where the run is, after the step.
            epoch_steps: Batches in the epoch that comes next, or goes on.
        """
        ended = progress.step_in_epoch == 0
        epoch = progress.epoch - ended
        if epoch != self._epoch or self._tracker is None:
            self._epoch, self._epoch_steps = epoch, epoch_steps
            part = f"{self._mode} epoch {epoch + 1} of at most {self._epochs}, batches of {self._batch_size}"
            self._tracker = Tracker(part, "batches", epoch_steps)
            self._tracker.add(progress.step_in_epoch - 1 if not ended else 0)
        self._tracker.add(1, figures(progress))
        if ended:
            self._tracker.tell()


def figures(progress: Progress) -> Mapping[str, float]:
    """What is told beside the batches.

    Args:
        progress: Where the run is.

    Returns:
        Name -> value: `loss`, the mean since the last validation; scores of the last validation.
    """
    found = {"loss": progress.loss_sum / progress.loss_count} if progress.loss_count else {}
    last = progress.history[-1] if progress.history else {}
    return found | {shown: last[name] for name, shown in _VALIDATION.items() if name in last}
