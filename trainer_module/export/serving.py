"""Predictions for batches of any size by programs of few static shapes.

XLA compiles a program for each shape, and a serving batch may have any number of rows and any length. Here each
molecule goes into a chunk of fixed size for its own padded length, whatever else is in the batch, and each chunk runs
the program of that length. So the last bit of a molecule's probability does not depend on how an engine cuts its
batches.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import tensorflow as tf
from einops import rearrange

from belka.contract import FEATURE_TOKENS
from trainer_module.input_pipeline.batching import count_tokens, padded_lengths
from trainer_module.model import Belka

CHUNK_ROWS: Final = 32  # XLA runs so small a program on one thread; several run at once
_PARALLEL: Final = 16  # chunks; the thread pool decides how many really run
_LENGTHS: Final = (48, 64, 72, 80, 96, 128, 192, 256, 512)


def predict(model: Belka, inputs: dict[str, Any], *, uncompiled_below: int = 0) -> Any:
    """Return the model's probabilities for a batch.

    Args:
        model: Built model.
        inputs: Inputs of the model; `tokens` is int32 [batch, length], as wide as any padding made it.
        uncompiled_below: Batches of fewer rows do not wait for the compiler; their probabilities agree to rounding
            only.

    Returns:
        Float32 [batch, ...]; in the mode mlm the length is that of the longest molecule.
    """
    tokens = inputs[FEATURE_TOKENS]
    # The padding that all molecules share is cut; at least one position stays.
    inputs = {**inputs, FEATURE_TOKENS: tokens[:, : tf.maximum(tf.reduce_max(count_tokens(tokens)), 1)]}
    if model.mode == "mlm":  # its output is as long as its input; nobody serves it
        return model(inputs, training=False)
    if not uncompiled_below:
        return _predict_in_chunks(model, inputs)
    return tf.cond(
        tf.shape(inputs[FEATURE_TOKENS])[0] < uncompiled_below,
        lambda: model(inputs, training=False),
        lambda: _predict_in_chunks(model, inputs),
    )


def _predict_in_chunks(model: Belka, inputs: dict[str, Any]) -> Any:
    lengths = padded_lengths(_LENGTHS, model.arguments["max_length"])
    tokens = inputs[FEATURE_TOKENS]
    programs = [_program(model, length) for length in lengths]
    slots, choices = _assign_chunks(count_tokens(tokens), lengths)
    chunks = tf.size(choices)
    widened = {**inputs, FEATURE_TOKENS: tf.pad(tokens, [[0, 0], [0, lengths[-1] - tf.shape(tokens)[1]]])}
    widths = {name: lengths[-1] if name == FEATURE_TOKENS else values.shape[1] for name, values in widened.items()}
    cut = {
        name: rearrange(
            tf.scatter_nd(slots[:, None], values, [chunks * CHUNK_ROWS, widths[name]]),
            "(chunks rows) width -> chunks rows width",
            rows=CHUNK_ROWS,
        )
        for name, values in widened.items()
    }

    def run(chunk_and_choice: tuple[dict[str, Any], Any]) -> Any:
        chunk, choice = chunk_and_choice
        return tf.switch_case(choice, [partial(program, chunk) for program in programs])

    outputs = tf.map_fn(
        run,
        (cut, choices),
        fn_output_signature=tf.TensorSpec([CHUNK_ROWS, model.head.units], tf.float32),
        parallel_iterations=_PARALLEL,
    )
    return tf.gather(rearrange(outputs, "chunks rows width -> (chunks rows) width"), slots)


def _assign_chunks(sizes: Any, lengths: tuple[int, ...]) -> tuple[Any, Any]:
    """Give every molecule a row in a chunk of its own padded length; rows left over in a chunk stay empty.

    Args:
        sizes: Tokens of each molecule, int32 [batch], at most `lengths[-1]`.
        lengths: Padded lengths, ascending.

    Returns:
        Place of each molecule among the rows of all chunks, int32 [batch]; index into `lengths` of each chunk, int32
        [chunks].
    """
    number = len(lengths)
    kinds = tf.searchsorted(tf.constant(lengths), sizes)
    members = tf.one_hot(kinds, number, dtype=tf.int32)
    rank = tf.reduce_sum(tf.cumsum(members, exclusive=True) * members, axis=1)
    chunks_of = (tf.reduce_sum(members, axis=0) + CHUNK_ROWS - 1) // CHUNK_ROWS
    first = tf.cumsum(chunks_of, exclusive=True) * CHUNK_ROWS
    return tf.gather(first, kinds) + rank, tf.repeat(tf.range(number), chunks_of)


def _program(model: Belka, length: int) -> Callable[[dict[str, Any]], Any]:
    """Return the compiled prediction of chunks padded to one length."""

    @tf.function(jit_compile=True)
    def program(chunk: dict[str, Any]) -> Any:
        return model(chunk, training=False)

    def cut_and_run(chunk: dict[str, Any]) -> Any:
        tokens = chunk[FEATURE_TOKENS][:, :length]
        return program({**chunk, FEATURE_TOKENS: tf.ensure_shape(tokens, [CHUNK_ROWS, length])})

    return cut_and_run
