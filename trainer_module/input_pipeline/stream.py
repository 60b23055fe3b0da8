"""Batches of one pass over the data, as a function of (files, seed, pass)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import tensorflow as tf

from belka.contract import (
    FEATURE_BINDS,
    FEATURE_DESCRIPTORS,
    FEATURE_ECFP,
    FEATURE_SPLIT_GROUP,
    FEATURE_TOKENS,
    LABEL_UNKNOWN,
)
from belka.examples import compression_of, known_count
from trainer_module.input_pipeline.batching import ROW_WEIGHT, cut_padding, padded_lengths, split_by_length
from trainer_module.input_pipeline.masking import mask_tokens
from trainer_module.input_pipeline.parsing import parse_examples
from trainer_module.layers.unpack_bits import UnpackBits
from trainer_module.settings import Mode

# Molecules. The shards come shuffled; a larger buffer would only cost memory (about 0.5 kB per molecule).
SHUFFLE_LIMIT: Final = 262_144
_WINDOW: Final = 65_536  # molecules ordered by length at once
_INTERLEAVED_FILES: Final = 8
_PREFETCHED: Final = 4  # batches
_MASK_SALT, _FILES_SALT, _RECORDS_SALT = 1, 2, 3
_COUNTED: Final = 4096  # records counted at once
_as_written = tf.autograph.experimental.do_not_convert  # nothing here needs AutoGraph, whose parsing takes seconds


@dataclass(frozen=True)
class BatchSpec:
    """What a batch holds.

    Attributes:
        mode: Stage of training; decides on the labels.
        vocab_size: Token ids are below it.
        n_targets: Width of the label vector (clf).
        batch_size: Rows of a batch.
        max_length: Longer molecules are cut here.
        boundaries: Padded lengths below `max_length`.
        masking_rate: Share of positions hidden (mlm).
        buffer_size: Most molecules in the shuffle buffer.
        ecfp_size: Bits of the fingerprint; 0 if the stage does not read it.
        n_descriptors: Width of the vector of descriptors (mtr).
    """

    mode: Mode
    vocab_size: int
    n_targets: int
    batch_size: int
    max_length: int
    boundaries: tuple[int, ...]
    masking_rate: float
    buffer_size: int
    ecfp_size: int
    n_descriptors: int = 0


def training_batches(files: Sequence[str], spec: BatchSpec, *, seed: int, pass_index: Any) -> Any:
    """Return the batches of one pass: every molecule once, in an order that depends on (seed, pass_index) alone.

    Args:
        files: TFRecord files; names that end in `.gz` are GZIP.
        spec: What a batch holds.
        seed: Seed of the run.
        pass_index: Number of the pass, an integer or an int64 tensor; another number is another order and, in mlm,
            other masks.

    Returns:
        Dataset of what `_with_labels` makes: `(inputs, labels, row_weight)`.
    """
    pass_seed = tf.stack([tf.constant(seed, tf.int64), tf.cast(pass_index, tf.int64)])
    return _batches(files, spec, pass_seed=pass_seed)


def training_stream(files: Sequence[str], spec: BatchSpec, *, seed: int, first_pass: int, skipped: int) -> Any:
    """Return the batches of one pass after another, without end.

    Args:
        files: TFRecord files.
        spec: What a batch holds.
        seed: Seed of the run.
        first_pass: Number of the pass to start with.
        skipped: Batches of that pass to leave out (they are read and parsed all the same).

    Returns:
        Dataset like that of `training_batches`.
    """

    @_as_written
    def batches(pass_index: Any) -> Any:
        return training_batches(files, spec, seed=seed, pass_index=pass_index)

    stream = tf.data.Dataset.range(first_pass, tf.int64.max).flat_map(batches)
    return stream.skip(skipped).prefetch(_PREFETCHED)


def validation_batches(files: Sequence[str], spec: BatchSpec, *, seed: int, most: int) -> Any:
    """Return molecules, each once, in an order and with masks that never change.

    Batches come by length; so what is left out is left out before they are made, by the order of the shards, which is
    random.

    Args:
        files: TFRecord files.
        spec: What a batch holds.
        seed: Seed of the run (masks of mlm).
        most: Batches to return at most.

    Returns:
        Dataset of `(inputs, labels, row_weight, split_group)`.
    """
    return _batches(files, spec, pass_seed=tf.constant([seed, -1], tf.int64), most=most * spec.batch_size)


def count_molecules(files: Sequence[str]) -> int:
    """Return the number of Examples in the files: as the transform noted it; other files are read once."""
    known = [known_count(Path(name)) for name in files]
    total = sum(count for count in known if count is not None)
    uncounted = [name for name, count in zip(files, known, strict=True) if count is None]
    if not uncounted:
        return total
    records = _records(uncounted).batch(_COUNTED)
    add = _as_written(lambda so_far, batch: so_far + tf.size(batch, tf.int64))
    return total + int(records.reduce(tf.constant(0, tf.int64), add))


def _batches(files: Sequence[str], spec: BatchSpec, *, pass_seed: Any, most: int | None = None) -> Any:
    """Batches for training, shuffled; or, where `most` molecules are to be taken, for validation, in their order."""
    shuffle = most is None
    lengths = padded_lengths(spec.boundaries, spec.max_length)
    window = max(1, _WINDOW // spec.batch_size) * spec.batch_size

    @_as_written
    def parse(serialized: Any) -> dict[str, Any]:
        return parse_examples(
            serialized,
            vocab_size=spec.vocab_size,
            max_length=spec.max_length,
            n_targets=spec.n_targets if spec.mode == "clf" else 0,
            ecfp_size=spec.ecfp_size,
            n_descriptors=spec.n_descriptors if spec.mode == "mtr" else 0,
            with_group=not shuffle,
        )

    @_as_written
    def split(number: Any, features: dict[str, Any]) -> Any:
        window_seed = tf.random.fold_in(pass_seed, number) if shuffle else None
        return split_by_length(features, batch_size=spec.batch_size, lengths=lengths, seed=window_seed)

    @_as_written
    def finish(number: Any, features: dict[str, Any]) -> tuple[Any, ...]:
        mask_seed = tf.random.fold_in(tf.random.fold_in(pass_seed, _MASK_SALT), number)
        batch = _with_labels(cut_padding(features, lengths), spec, mask_seed)
        return batch if shuffle else (*batch, features[FEATURE_SPLIT_GROUP])

    records = _records(files, tf.random.fold_in(pass_seed, _FILES_SALT) if shuffle else None)
    if shuffle:
        record_seed = tf.cast(tf.random.fold_in(pass_seed, _RECORDS_SALT)[0], tf.int64)
        buffer = min(spec.buffer_size, SHUFFLE_LIMIT)
        records = records.shuffle(buffer, seed=record_seed, reshuffle_each_iteration=False)
    else:
        records = records.take(most)
    parallel: dict[str, Any] = {"num_parallel_calls": tf.data.AUTOTUNE, "deterministic": True}
    windows = records.batch(window).map(parse, **parallel)
    batches = windows.enumerate().flat_map(split)
    return batches.enumerate().map(finish, **parallel).prefetch(_PREFETCHED)


def _records(files: Sequence[str], seed: Any = None) -> Any:
    """Read serialized Examples from several files at once, in an order that does not depend on timing.

    Args:
        files: TFRecord files, in any order.
        seed: int64 [2] to shuffle the files; None takes them by name.
    """

    @_as_written
    def read(name: Any, compression: Any) -> Any:
        return tf.data.TFRecordDataset(name, compression_type=compression)

    names = sorted(files)
    compressions = [compression_of(name) for name in names]
    table = (tf.constant(names), tf.constant(compressions))
    if seed is not None:
        order = tf.argsort(tf.random.stateless_uniform([len(names)], seed), stable=True)
        table = (tf.gather(table[0], order), tf.gather(table[1], order))
    return tf.data.Dataset.from_tensor_slices(table).interleave(
        read,
        cycle_length=min(len(names), _INTERLEAVED_FILES),
        block_length=16,
        num_parallel_calls=min(len(names), _INTERLEAVED_FILES),
        deterministic=True,
    )


def _with_labels(features: dict[str, Any], spec: BatchSpec, mask_seed: Any) -> tuple[dict[str, Any], Any, Any]:
    """Split a batch into inputs, labels and row weights.

    Returns:
        Inputs: `tokens` int32 [batch, length], with the branch also `ecfp` uint8 [batch, ecfp_size / 8]. Labels: mlm
        int32 [batch, length, 2], mtr float32 [batch, n_descriptors] (NaN = not defined), fps float32 [batch,
        ecfp_size], clf int32 [batch, n_targets] (2 = unknown, in filling rows too). Weights: float32 [batch].
    """
    tokens, weight = features[FEATURE_TOKENS], features[ROW_WEIGHT]
    if spec.mode == "mlm":
        hidden, labels = mask_tokens(tokens, rate=spec.masking_rate, vocab_size=spec.vocab_size, seed=mask_seed)
        return {FEATURE_TOKENS: hidden}, labels, weight
    if spec.mode == "mtr":
        return {FEATURE_TOKENS: tokens}, features[FEATURE_DESCRIPTORS], weight
    if spec.mode == "fps":
        return {FEATURE_TOKENS: tokens}, UnpackBits(dtype="float32")(features[FEATURE_ECFP]), weight
    inputs = {FEATURE_TOKENS: tokens}
    if spec.ecfp_size:
        inputs[FEATURE_ECFP] = features[FEATURE_ECFP]
    return inputs, tf.where(weight[:, None] > 0, features[FEATURE_BINDS], LABEL_UNKNOWN), weight
