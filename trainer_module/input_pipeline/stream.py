"""Batches of one pass over the data, as a function of (files, seed, pass)."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import tensorflow as tf

from components.data_contract import FEATURE_BINDS, FEATURE_ECFP, FEATURE_SPLIT_GROUP, FEATURE_TOKENS, LABEL_UNKNOWN
from trainer_module.input_pipeline.batching import ROW_WEIGHT, cut_padding, padded_lengths, split_by_length
from trainer_module.input_pipeline.masking import mask_tokens
from trainer_module.input_pipeline.parsing import parse_examples
from trainer_module.layers.unpack_bits import UnpackBits
from trainer_module.settings import Mode

SHUFFLE_LIMIT: Final = (
    262_144  # molecules; the shards come shuffled, a larger buffer would only cost memory (about 0.5 kB each)
)
_WINDOW: Final = 65_536  # molecules ordered by length at once
_INTERLEAVED_FILES: Final = 8
_PREFETCHED: Final = 4  # batches
_MASK_SALT: Final = 1
_COUNTED: Final = 4096  # records counted at once


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


def training_batches(files: Sequence[str], spec: BatchSpec, *, seed: int, pass_index: int) -> Any:
    """Return the batches of one pass: every molecule once, in an order that depends on (seed, pass_index) alone.

    Args:
        files: TFRecord files; names that end in `.gz` are GZIP.
        spec: What a batch holds.
        seed: Seed of the run.
        pass_index: Number of the pass; another number is another order and, in mlm, other masks.

    Returns:
        Dataset of `(inputs, labels, row_weight)`; inputs: `tokens` int32 [batch, length], with
        the branch also `ecfp` uint8 [batch, ecfp_size / 8]; labels: mlm int32 [batch, length, 2], fps float32 [batch, ecfp_size], clf int32
        [batch, n_targets]; weights: float32 [batch].
    """
    order = sorted(files)
    random.Random(f"{seed}/{pass_index}").shuffle(order)  # noqa: S311 - reproducible order, not secrecy
    return _batches(order, spec, seed=(seed, pass_index), shuffle=True)


def validation_batches(files: Sequence[str], spec: BatchSpec, *, seed: int) -> Any:
    """Return each molecule once, in an order and with masks that never change.

    Args:
        files: TFRecord files.
        spec: What a batch holds.
        seed: Seed of the run (masks of mlm).

    Returns:
        Dataset of `(inputs, labels, row_weight, split_group)`.
    """
    return _batches(sorted(files), spec, seed=(seed, -1), shuffle=False)


def count_molecules(files: Sequence[str]) -> int:
    """Return the number of Examples in the files, which are read once without parsing."""
    if not files:
        return 0
    sizes = _records(sorted(files)).batch(_COUNTED).map(lambda batch: tf.size(batch, out_type=tf.int64))
    return int(sizes.reduce(tf.constant(0, tf.int64), lambda total, size: total + size))


def _batches(files: Sequence[str], spec: BatchSpec, *, seed: tuple[int, int], shuffle: bool) -> Any:
    lengths = padded_lengths(spec.boundaries, spec.max_length)
    window = max(1, _WINDOW // spec.batch_size) * spec.batch_size
    pass_seed = tf.constant(seed, tf.int64)

    def parse(serialized: Any) -> dict[str, Any]:
        return parse_examples(
            serialized,
            vocab_size=spec.vocab_size,
            max_length=spec.max_length,
            n_targets=spec.n_targets if spec.mode == "clf" else 0,
            ecfp_size=spec.ecfp_size,
            with_group=not shuffle,
        )

    def split(number: Any, features: dict[str, Any]) -> Any:
        window_seed = tf.random.fold_in(pass_seed, number) if shuffle else None
        return split_by_length(features, batch_size=spec.batch_size, lengths=lengths, seed=window_seed)

    def finish(number: Any, features: dict[str, Any]) -> tuple[Any, ...]:
        mask_seed = tf.random.fold_in(tf.random.fold_in(pass_seed, _MASK_SALT), number)
        batch = _with_labels(cut_padding(features, lengths), spec, mask_seed)
        return batch if shuffle else (*batch, features[FEATURE_SPLIT_GROUP])

    records = _records(files)
    if shuffle:
        buffer = min(spec.buffer_size, SHUFFLE_LIMIT)
        shuffle_seed = random.Random(f"shuffle/{seed[0]}/{seed[1]}").randrange(2**31)  # noqa: S311
        records = records.shuffle(buffer, seed=shuffle_seed, reshuffle_each_iteration=False)
    parallel: dict[str, Any] = {"num_parallel_calls": tf.data.AUTOTUNE, "deterministic": True}
    windows = records.batch(window).map(parse, **parallel)
    batches = windows.enumerate().flat_map(split)
    return batches.enumerate().map(finish, **parallel).prefetch(_PREFETCHED)


def _records(files: Sequence[str]) -> Any:
    """Read serialized Examples from several files at once, in an order that does not depend on timing."""

    def read(name: Any, compression: Any) -> Any:
        return tf.data.TFRecordDataset(name, compression_type=compression)

    compressions = ["GZIP" if name.endswith(".gz") else "" for name in files]
    return tf.data.Dataset.from_tensor_slices((list(files), compressions)).interleave(
        read,
        cycle_length=min(len(files), _INTERLEAVED_FILES),
        block_length=16,
        num_parallel_calls=min(len(files), _INTERLEAVED_FILES),
        deterministic=True,
    )


def _with_labels(features: dict[str, Any], spec: BatchSpec, mask_seed: Any) -> tuple[dict[str, Any], Any, Any]:
    """Split a batch into inputs, labels and row weights.

    Returns:
        Inputs: `tokens` int32 [batch, length], with the branch also `ecfp` uint8 [batch, ecfp_size / 8]. Labels: mlm int32 [batch,
        length, 2], fps float32 [batch, ecfp_size], clf int32 [batch, n_targets] (2 = unknown, in filling rows too). Weights:
        float32 [batch].
    """
    tokens, weight = features[FEATURE_TOKENS], features[ROW_WEIGHT]
    if spec.mode == "mlm":
        hidden, labels = mask_tokens(tokens, rate=spec.masking_rate, vocab_size=spec.vocab_size, seed=mask_seed)
        return {FEATURE_TOKENS: hidden}, labels, weight
    if spec.mode == "fps":
        return {FEATURE_TOKENS: tokens}, UnpackBits(dtype="float32")(features[FEATURE_ECFP]), weight
    inputs = {FEATURE_TOKENS: tokens}
    if spec.ecfp_size:
        inputs[FEATURE_ECFP] = features[FEATURE_ECFP]
    return inputs, tf.where(weight[:, None] > 0, features[FEATURE_BINDS], LABEL_UNKNOWN), weight
