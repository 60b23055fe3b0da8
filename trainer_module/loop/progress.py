"""Log lines with rate and time left."""

import logging
import time
from datetime import timedelta
from typing import Final

from trainer_module.loop.checkpoints import Progress

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_LINES: Final = 15.0


class ProgressLog:
    """Log every few seconds where training is, how fast it goes and when the epoch ends.

    Args:
        mode: Stage of training.
        batch_size: Molecules in a batch.
    """

    def __init__(self, mode: str, batch_size: int) -> None:
        self._mode = mode
        self._batch_size = batch_size
        self._since = time.monotonic()
        self._step: int | None = None

    def tick(self, progress: Progress, epoch_steps: int) -> None:
        """Count a step, and log if the last line is old enough.

        Args:
            progress: Where the run is.
            epoch_steps: Batches in the current epoch.
        """
        now = time.monotonic()
        if self._step is None:  # the first step compiles and would spoil the rate
            self._since, self._step = now, progress.step
        seconds, steps = now - self._since, progress.step - self._step
        if seconds < _SECONDS_BETWEEN_LINES or not steps:
            return
        self._since, self._step = now, progress.step
        left = (epoch_steps - progress.step_in_epoch) * seconds / steps
        logger.info(
            "%s epoch %d: batch %d of %d, %.0f molecules/s, %s left in this epoch",
            self._mode,
            progress.epoch + 1,
            progress.step_in_epoch,
            epoch_steps,
            steps * self._batch_size / seconds,
            timedelta(seconds=round(left)),
        )
