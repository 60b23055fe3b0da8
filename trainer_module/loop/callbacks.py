"""Keras's callbacks, driven by validations, with a state that survives a restart."""

from pathlib import Path
from typing import Any, Final, Literal

import keras
import tensorflow as tf

from trainer_module.settings import TrainingSettings

_STATE: Final = ("wait", "best", "best_epoch", "cooldown_counter")


class ScalarLog(keras.callbacks.Callback):
    """Scores as TensorBoard scalars.

    `keras.callbacks.TensorBoard` needs the package tensorboard to write; the event format itself does not.

    Args:
        log_dir: Folder for the event file.
    """

    def __init__(self, log_dir: Path) -> None:
        super().__init__()
        self._writer = tf.summary.create_file_writer(str(log_dir))
        plugin = tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
        self._metadata = tf.compat.v1.SummaryMetadata(plugin_data=plugin)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Write the scores of validation number `epoch`, at the step they belong to."""
        scores = logs or {}
        with self._writer.as_default(step=int(scores.get("step", epoch))):
            for name, value in scores.items():
                tf.summary.write(name, tf.constant(value, tf.float32), metadata=self._metadata)
        self._writer.flush()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Close the event file."""
        del logs
        self._writer.close()


class ValidationCallbacks:
    """Early stopping, learning rate on a plateau, TensorBoard; one "epoch" of theirs is one validation.

    Args:
        model: Compiled model.
        settings: Patience and factors.
        monitor: Name of the score to follow.
        direction: Whether it should grow.
        log_dir: Folder for TensorBoard; None: no TensorBoard (workers that are not the chief).
    """

    def __init__(
        self,
        model: keras.Model,
        settings: TrainingSettings,
        *,
        monitor: str,
        direction: Literal["min", "max"],
        log_dir: Path | None,
    ) -> None:
        self.monitor = monitor
        self._model = model
        self._stopping = keras.callbacks.EarlyStopping(monitor, patience=settings.patience, mode=direction)
        self._plateau = keras.callbacks.ReduceLROnPlateau(
            monitor,
            factor=settings.reduce_lr_factor,
            patience=settings.reduce_lr_patience,
            mode=direction,
            min_delta=0.0,
            min_lr=settings.min_learning_rate,
        )
        board = [] if log_dir is None else [ScalarLog(log_dir)]
        self._list = keras.callbacks.CallbackList([self._stopping, self._plateau, *board], model=model)

    def start(self, state: dict[str, dict[str, Any]]) -> None:
        """Begin or continue training.

        Args:
            state: What `state` returned before, or an empty dictionary.
        """
        self._model.stop_training = False
        self._list.on_train_begin()
        for callback in (self._stopping, self._plateau):
            for name, value in state.get(type(callback).__name__, {}).items():
                setattr(callback, name, value)

    def state(self) -> dict[str, dict[str, Any]]:
        """Return the counters and best values of the callbacks, as JSON values."""
        return {
            type(callback).__name__: {name: getattr(callback, name) for name in _STATE if hasattr(callback, name)}
            for callback in (self._stopping, self._plateau)
        }

    def validated(self, number: int, scores: dict[str, float]) -> bool:
        """Tell the callbacks about a validation.

        Args:
            number: Validations before this one.
            scores: Its scores, the monitored one among them.

        Returns:
            Whether it is the best so far.
        """
        self._list.on_epoch_begin(number)
        self._list.on_epoch_end(number, scores)
        return bool(self._stopping.best_epoch == number)

    @property
    def stopped(self) -> bool:
        """Whether patience has run out."""
        return bool(self._model.stop_training)

    def end(self) -> None:
        """Close the logs."""
        self._list.on_train_end()
