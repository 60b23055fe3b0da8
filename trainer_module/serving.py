"""Predictions for batches of any size by programs of few static shapes.

XLA compiles a program for each shape, and a serving batch may have any number of rows and any length. Here the rows are ordered by
length and cut into chunks of a fixed size, and each chunk runs the program of its padded length. Small batches skip all
this: waiting for a compiler would cost more than it saves.
"""

from collections.abc import Callable
from typing import Any, Final

import tensorflow as tf

from components.data_contract import FEATURE_TOKENS, PAD_ID
from trainer_module.input_pipeline.batching import padded_lengths
from trainer_module.model import Belka

CHUNK_ROWS: Final = 32  # XLA runs so small a program on one thread; several run at once
_PARALLEL: Final = 16  # chunks; the thread pool decides on how many really run
_COMPILED_FROM: Final = 512  # rows in a batch
_LENGTHS: Final = (48, 64, 72, 80, 96, 128, 192, 256, 512)


def predict(model: Belka, inputs: dict[str, Any]) -> Any:
    """Return the model's probabilities for a batch.

    Args:
        model: Built model.
        inputs: Inputs of the model; `tokens` is int32 [batch, length], as wide as any padding made it.

    Returns:
        Float32 [batch, ...]; in the mode mlm the length is that of the longest molecule.
    """
    inputs = {**inputs, FEATURE_TOKENS: cut_common_padding(inputs[FEATURE_TOKENS])}
    if model.mode == "mlm":  # its output is as long as its input; nobody serves it
        return model(inputs, training=False)
    rows = tf.shape(inputs[FEATURE_TOKENS])[0]
    return tf.cond(
        rows < _COMPILED_FROM,
        lambda: model(inputs, training=False),
        lambda: _predict_in_chunks(model, inputs, rows),
    )


def cut_common_padding(tokens: Any) -> Any:
    """Cut the padding all molecules of a batch share; at least one position stays."""
    return tokens[:, : tf.maximum(tf.reduce_max(_sizes(tokens)), 1)]


def _sizes(tokens: Any) -> Any:
    return tf.reduce_sum(tf.cast(tokens != PAD_ID, tf.int32), axis=1)


def _predict_in_chunks(model: Belka, inputs: dict[str, Any], rows: Any) -> Any:
    lengths = padded_lengths(_LENGTHS, model.arguments["max_length"])
    tokens = inputs[FEATURE_TOKENS]
    order = tf.argsort(_sizes(tokens), stable=True)
    chunks = (rows + CHUNK_ROWS - 1) // CHUNK_ROWS
    filler = chunks * CHUNK_ROWS - rows
    widened = {**inputs, FEATURE_TOKENS: tf.pad(tokens, [[0, 0], [0, lengths[-1] - tf.shape(tokens)[1]]])}
    cut = {
        name: tf.reshape(tf.pad(tf.gather(values, order), [[0, filler], [0, 0]]), [chunks, CHUNK_ROWS, width])
        for name, values in widened.items()
        for width in [lengths[-1] if name == FEATURE_TOKENS else values.shape[1]]
    }
    programs = [_program(model, length) for length in lengths]

    def run(chunk: dict[str, Any]) -> Any:
        longest = tf.reduce_max(_sizes(chunk[FEATURE_TOKENS]))
        choice = tf.searchsorted(tf.constant(lengths), longest[None])[0]
        return tf.switch_case(choice, [lambda program=program: program(chunk) for program in programs])

    width = model.head.units
    outputs = tf.map_fn(
        run, cut, fn_output_signature=tf.TensorSpec([CHUNK_ROWS, width], tf.float32), parallel_iterations=_PARALLEL
    )
    return tf.scatter_nd(order[:, None], tf.reshape(outputs, [-1, width])[:rows], [rows, width])


def _program(model: Belka, length: int) -> Callable[[dict[str, Any]], Any]:
    """Return the compiled prediction of chunks padded to one length."""

    @tf.function(jit_compile=True)
    def program(chunk: dict[str, Any]) -> Any:
        return model(chunk, training=False)

    def cut_and_run(chunk: dict[str, Any]) -> Any:
        tokens = chunk[FEATURE_TOKENS][:, :length]
        return program({**chunk, FEATURE_TOKENS: tf.ensure_shape(tokens, [CHUNK_ROWS, length])})

    return cut_and_run
