"""Training steps: ours beside a plain one of the same architecture, and what each measure brings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf

from belka.contract import FEATURE_TOKENS, PAD_ID
from benchmarks.measurement import Comparison, Work, measure_in_turn
from benchmarks.plain_model import build_plain_model, plain_step
from benchmarks.transformer_batches import (
    N_TARGETS,
    VOCAB_SIZE,
    Sample,
    draw_sample,
    matrix_flops,
    measure_matmul_peak,
    peak_note,
)
from trainer_module.loop.step import Steps
from trainer_module.loop.train import CPU_HEAD_ROWS
from trainer_module.losses.multi_label_loss import MultiLabelLoss
from trainer_module.model import Belka
from trainer_module.settings import ModelSettings, TrainingSettings

_CLIP_NORM: Final = 1.0
_REFERENCE_BATCHES: Final = 1
_ROUNDS: Final = 5
_PASSES: Final = 3  # forward, gradient of the inputs, gradient of the weights


@dataclass(frozen=True)
class _Variant:
    name: str
    xla: bool = True
    buckets: bool = True
    attention_dropout: bool = True
    precision: str = "float32"


_VARIANTS: Final = (
    _Variant("our layers", xla=False, buckets=False),
    _Variant("+ buckets", xla=False),
    _Variant("+ XLA = our step"),
    _Variant("our step, no attention dropout (other maths)", attention_dropout=False),
    _Variant("our step, mixed_bfloat16 (other maths)", precision="mixed_bfloat16"),
)


def compare_train(batches: int, batch_size: int) -> Comparison:
    """Measure molecules/s of training steps on all cores, compiling left out.

    All ways are run in turn for five rounds; the fastest round of each counts.

    Args:
        batches: Batches for each of our ways.
        batch_size: Molecules in a batch, the same for all ways.

    Returns:
        Our ways, one measure after the other, beside Keras's layers padded to `max_length` in a graph without XLA.
    """
    settings = ModelSettings()
    few = draw_sample(_REFERENCE_BATCHES * batch_size, settings.max_length)
    sample = draw_sample(batches * batch_size, settings.max_length)
    peak = measure_matmul_peak()
    works = [_plain(settings, few, batch_size), *(_ours(way, settings, sample, batch_size) for way in _VARIANTS)]
    reference, *ours = measure_in_turn(works, "molecules", _ROUNDS)
    mean_length = float(np.mean(np.sum(sample.tokens != PAD_ID, axis=1)))
    needed = _PASSES * matrix_flops(settings, mean_length)
    shares = ", ".join(f"{way.name}: {way.rate * needed / peak:.1%}" for way in (reference, *ours))
    notes = (peak_note(peak, mean_length, needed), f"share of that peak, padding not counted as work: {shares}")
    title = f"Training step, batch {batch_size}, {settings.num_layers} layers of {settings.num_heads} heads"
    return Comparison(title, reference, tuple(ours), notes)


def _plain(settings: ModelSettings, sample: Sample, batch_size: int) -> Work:
    model = build_plain_model(settings, vocab_size=VOCAB_SIZE, n_targets=N_TARGETS)
    step = plain_step(model, clip_norm=_CLIP_NORM)
    batches = sample.batches(batch_size, ())
    float(step(*batches[0]))
    return _steps(f"Keras, padded to {settings.max_length}, no XLA", step, batches, batch_size)


def _ours(variant: _Variant, settings: ModelSettings, sample: Sample, batch_size: int) -> Work:
    model = Belka(
        mode="clf",
        vocab_size=VOCAB_SIZE,
        n_targets=N_TARGETS,
        settings=settings.model_copy(update={"attention_dropout": variant.attention_dropout}),
        dtype=variant.precision,
    )
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(model.trainable_variables)
    steps = Steps(
        model,
        MultiLabelLoss(),
        optimizer,
        strategy=tf.distribute.get_strategy(),
        seed=0,
        xla=variant.xla,
        clip_norm=_CLIP_NORM,
        micro_batch=CPU_HEAD_ROWS // settings.num_heads,
    )
    boundaries = TrainingSettings().bucket_boundaries if variant.buckets else ()
    batches = sample.batches(batch_size, boundaries)
    row_weight = tf.ones(batch_size)

    def step(tokens: Any, labels: Any) -> Any:
        return steps.train({FEATURE_TOKENS: tokens}, labels, row_weight, 0)

    for tokens, labels in {batch[0].shape[1]: batch for batch in batches}.values():
        float(step(tokens, labels))
    return _steps(variant.name, step, batches, batch_size)


def _steps(name: str, step: Callable[[Any, Any], Any], batches: list[tuple[Any, Any]], batch_size: int) -> Work:
    def run() -> None:
        for batch in batches:
            loss = step(*batch)
        float(loss)

    return Work(name, len(batches) * batch_size, run)
