"""Inference: the exported model's batch prediction beside a plain model of the same architecture."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import tensorflow as tf

from belka.contract import FEATURE_TOKENS, PAD_ID
from benchmarks.measurement import Comparison, Work, measure_in_turn
from benchmarks.plain_model import build_plain_model
from benchmarks.transformer_batches import (
    N_TARGETS,
    VOCAB_SIZE,
    draw_sample,
    matrix_flops,
    measure_matmul_peak,
    peak_note,
)
from trainer_module.export.serving import predict
from trainer_module.model import Belka
from trainer_module.settings import ModelSettings

_REFERENCE_SHARE: Final = 8
_ROUNDS: Final = 5


def compare_infer(molecules: int, batch_size: int) -> Comparison:
    """Measure molecules/s of predictions on all cores, compiling left out; the fastest of five rounds.

    Args:
        molecules: Molecules to predict; the reference gets an eighth of them.
        batch_size: Molecules handed over at once.

    Returns:
        Prediction as the exported model's signatures do it, beside Keras's layers padded to `max_length` in a graph
        without XLA.
    """
    settings = ModelSettings()
    peak = measure_matmul_peak()
    plain = build_plain_model(settings, vocab_size=VOCAB_SIZE, n_targets=N_TARGETS)
    plain_predict = tf.function(lambda tokens: plain(tokens, training=False), autograph=False)
    model = Belka(mode="clf", settings=settings, vocab_size=VOCAB_SIZE, n_targets=N_TARGETS)
    our_predict = tf.function(lambda tokens: predict(model, {FEATURE_TOKENS: tokens}), autograph=False)
    sample = draw_sample(molecules, settings.max_length)
    pieces = tf.split(sample.tokens, molecules // batch_size)
    few = pieces[: max(1, len(pieces) // _REFERENCE_SHARE)]
    plain_predict(few[0])
    for piece in pieces:  # compiles every length that occurs
        our_predict(piece)

    def work(name: str, way: Callable[[Any], Any], parts: list[Any]) -> Work:
        return Work(name, len(parts) * batch_size, lambda: [way(piece).numpy() for piece in parts])

    plain_work = work(f"Keras, padded to {settings.max_length}, no XLA", plain_predict, few)
    our_work = work("our batch prediction", our_predict, pieces)
    reference, ours = measure_in_turn((plain_work, our_work), "molecules", _ROUNDS)
    mean_length = float(np.mean(np.sum(sample.tokens != PAD_ID, axis=1)))
    needed = matrix_flops(settings, mean_length)
    notes = (
        peak_note(peak, mean_length, needed),
        f"share of that peak: reference {reference.rate * needed / peak:.1%}, ours {ours.rate * needed / peak:.1%}",
    )
    return Comparison(f"Inference, batch {batch_size}", reference, (ours,), notes)
