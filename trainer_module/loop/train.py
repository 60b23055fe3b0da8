"""Train one stage: the door of this package, a plain function that needs no orchestrator."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import keras

from belka.contract import WEIGHTS_FILE
from belka.errors import InputError
from trainer_module.export.saved_model import StoredModel, exported_folder, warm_start
from trainer_module.input_pipeline.stream import BatchSpec
from trainer_module.loop.checkpoints import CheckpointStore, run_key
from trainer_module.loop.devices import choose_precision, choose_strategy
from trainer_module.loop.fit import Fit, OnValidation
from trainer_module.loop.step import Steps
from trainer_module.loop.sums import sums_stay_apart
from trainer_module.loop.workers import explained_loss_of_worker, from_chief, is_chief
from trainer_module.losses.binary_loss import BinaryLoss
from trainer_module.losses.categorical_loss import CategoricalLoss
from trainer_module.losses.multi_label_loss import MultiLabelLoss
from trainer_module.losses.regression_loss import RegressionLoss
from trainer_module.losses.weighted_loss import WeightedLoss
from trainer_module.model import Belka
from trainer_module.settings import RunSettings

CPU_HEAD_ROWS: Final = 2048  # rows times heads at once on a CPU: more are no faster and take more memory


@dataclass(frozen=True)
class TrainingData:
    """What a stage reads.

    Attributes:
        train_files: TFRecord files to learn from.
        eval_files: TFRecord files to validate on.
        vocabulary: Tokens, the index is the id.
        start_from: Exported model whose encoder the stage starts from, or None.
    """

    train_files: tuple[str, ...]
    eval_files: tuple[str, ...]
    vocabulary: tuple[str, ...]
    start_from: Path | None = None


@dataclass(frozen=True)
class TrainingResult:
    """What a stage leaves.

    Attributes:
        stored: The model with the weights of the best validation, its vocabulary and targets.
        history: Scores of each validation, in order: epoch, step, loss, learning_rate, seconds, val_*.
    """

    stored: StoredModel
    history: list[dict[str, float]]


def train(
    run: RunSettings, data: TrainingData, *, log_dir: Path, on_validation: OnValidation | None = None
) -> TrainingResult:
    """Train one stage, or continue it from its last checkpoint.

    Args:
        run: Settings.
        data: Files and vocabulary.
        log_dir: Folder for TensorBoard, history.json and history.csv.
        on_validation: Gets the scores of each validation as it is done; what it raises ends the training.

    Returns:
        The best model and the history.

    Raises:
        InputError: If data, vocabulary, settings or a model to start from do not fit together.
        BelkaError: If the state is not finite, a checkpoint cannot be written, or another worker is gone.
    """
    settings = run.training.for_mode(run.mode)
    _check_epochs(run)
    keras.utils.set_random_seed(run.seed)  # initial weights; order, masks and dropout take the seed explicitly
    strategy = choose_strategy(settings.device)
    with strategy.scope():
        model = Belka(
            mode=run.mode,
            vocab_size=_embedding_rows(run, data.vocabulary),
            n_targets=len(run.targets),
            ecfp_size=run.fingerprint.size,
            settings=run.model,
            dtype=choose_precision(settings.precision, strategy),
        )
        if data.start_from is not None:
            warm_start(model, data.vocabulary, data.start_from)
        optimizer = keras.optimizers.Adam(settings.learning_rate)
        model.compile(optimizer=optimizer)
        optimizer.build(model.trainable_variables)
    steps = _steps(run, model, strategy)
    store = CheckpointStore(
        _checkpoint_folder(run, data, log_dir), writes=is_chief(strategy), share=partial(from_chief, strategy)
    )
    fit = Fit(
        run=run,
        train_files=data.train_files,
        eval_files=data.eval_files,
        model=model,
        steps=steps,
        spec=_batch_spec(run, model),
        store=store,
        log_dir=log_dir,
    )
    with explained_loss_of_worker(), sums_stay_apart():
        history = fit.run(on_validation)
        calibration = fit.calibrate() if run.mode == "clf" else None
    stored = StoredModel(model, data.vocabulary, run.targets, run.fingerprint, run.spelling, calibration)
    return TrainingResult(stored, history)


def _steps(run: RunSettings, model: Belka, strategy: Any) -> Steps:
    """The compiled steps of a stage on the devices of a strategy."""
    settings = run.training.for_mode(run.mode)
    on_cpu = any("CPU" in device for device in strategy.extended.worker_devices)
    return Steps(
        model,
        make_loss(run, model.arguments["vocab_size"], dtype=model.variable_dtype),
        model.optimizer,
        strategy=strategy,
        seed=run.seed,
        xla=settings.xla != "off",
        clip_norm=settings.gradient_clip_norm,
        micro_batch=max(1, CPU_HEAD_ROWS // run.model.num_heads) if on_cpu else None,
    )


def _check_epochs(run: RunSettings) -> None:
    epochs = run.training.for_mode(run.mode).epochs
    if (run.initial_epoch or 0) >= epochs:
        raise InputError(
            f"There is no epoch left to train in the stage {run.mode}.",
            received=f"initial_epoch {run.initial_epoch}, epochs {epochs}",
            expected="an initial_epoch below epochs",
            action="Lower the one or raise the other; the model would come out as it goes in.",
        )


def _batch_spec(run: RunSettings, model: Belka) -> BatchSpec:
    """Batches as the stage reads them, the same on any number of replicas."""
    settings = run.training.for_mode(run.mode)
    return BatchSpec(
        mode=run.mode,
        vocab_size=model.arguments["vocab_size"],
        n_targets=len(run.targets),
        batch_size=settings.batch_size,
        max_length=run.model.max_length,
        boundaries=settings.bucket_boundaries,
        masking_rate=settings.masking_rate,
        buffer_size=settings.buffer_size,
        ecfp_size=run.fingerprint.size if run.mode == "fps" or model.uses_ecfp else 0,
        n_descriptors=model.arguments["n_descriptors"],
    )


def make_loss(run: RunSettings, vocab_size: int, *, dtype: str = "float32") -> WeightedLoss:
    """Return the loss of a stage, computed in `dtype`."""
    epsilon = run.training.epsilon
    if run.mode == "mlm":
        return CategoricalLoss(epsilon, vocab_size=vocab_size, dtype=dtype)
    if run.mode == "mtr":
        return RegressionLoss(epsilon, dtype=dtype)
    return BinaryLoss(epsilon, dtype=dtype) if run.mode == "fps" else MultiLabelLoss(epsilon, dtype=dtype)


def _embedding_rows(run: RunSettings, vocabulary: Sequence[str]) -> int:
    wanted = run.model.vocab_size
    if wanted is not None and wanted < len(vocabulary):
        raise InputError(
            "The vocabulary is larger than model.vocab_size.",
            received=f"{len(vocabulary)} tokens, model.vocab_size = {wanted}",
            expected=f"model.vocab_size of at least {len(vocabulary)}, or null to derive it",
            action="Raise model.vocab_size or set it to null.",
        )
    return wanted or len(vocabulary)


def _checkpoint_folder(run: RunSettings, data: TrainingData, log_dir: Path) -> Path:
    files = [*map(Path, data.train_files), *map(Path, data.eval_files)]
    if data.start_from is not None:
        files.append(exported_folder(data.start_from) / WEIGHTS_FILE)
    root = Path(run.checkpoint_root) if run.checkpoint_root else log_dir / "checkpoints"
    return root / run_key(run, files, data.vocabulary)
