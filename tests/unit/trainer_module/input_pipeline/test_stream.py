"""Batches: every molecule once, few shapes, reproducible, masks as asked."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from belka.contract import BLOCKS_BYTES, FEATURE_BLOCKS, FEATURE_TOKENS
from belka.examples import write_counts
from trainer_module.input_pipeline.batching import ROW_WEIGHT, cut_padding, padded_lengths, split_by_length
from trainer_module.input_pipeline.masking import mask_tokens
from trainer_module.input_pipeline.stream import BatchSpec, count_molecules, training_batches, validation_batches
from trainer_module.loop.train import TrainingData

SPEC = BatchSpec(
    mode="clf",
    vocab_size=18,
    n_targets=3,
    batch_size=32,
    max_length=24,
    boundaries=(8, 12, 16),
    masking_rate=0.15,
    buffer_size=1000,
    ecfp_size=2048,
)


def rows_of(batches: Any) -> list[tuple[bytes, ...]]:
    rows: list[tuple[bytes, ...]] = []
    for inputs, labels, weight, *_ in batches:
        tokens = np.pad(inputs["tokens"].numpy(), ((0, 0), (0, 24 - inputs["tokens"].shape[1])))
        rows += [
            (tokens[row].tobytes(), labels[row].numpy().tobytes(), inputs["ecfp"][row].numpy().tobytes())
            for row in np.flatnonzero(weight)
        ]
    return rows


def expected_rows(molecules: Any) -> list[tuple[bytes, ...]]:
    return [
        (
            np.pad(tokens, (0, 24 - len(tokens))).astype(np.int32).tobytes(),
            binds.astype(np.int32).tobytes(),
            np.packbits(bits).tobytes(),
        )
        for tokens, binds, bits in zip(molecules.tokens, molecules.binds, molecules.ecfp, strict=True)
    ]


def test_a_pass_shows_every_molecule_once_with_its_labels(training_data: TrainingData, molecules: Any) -> None:
    rows = rows_of(training_batches(training_data.train_files, SPEC, seed=1, pass_index=0))
    assert sorted(rows) == sorted(expected_rows(molecules.part(0, 256)))
    assert count_molecules(training_data.train_files) == 256


def test_molecules_that_the_transform_counted_are_not_read(molecules: Any, tmp_path: Path) -> None:
    parts = {
        Path(molecules.part(0, 150).write(tmp_path / "Split-train" / "data-0.gz")): 150,
        Path(molecules.part(150, 256).write(tmp_path / "Split-train" / "data-1.gz")): 106,
    }
    files = [str(path) for path in parts]
    assert count_molecules(files) == 256  # made elsewhere: no one counted
    write_counts(tmp_path, parts)
    sizes = [path.stat().st_size for path in parts]
    for path, size in zip(parts, sizes, strict=True):
        path.write_bytes(b"?" * size)  # whoever reads it fails
    assert count_molecules(files) == 256


def test_a_file_that_changed_since_is_counted_anew(molecules: Any, tmp_path: Path) -> None:
    path = Path(molecules.part(0, 150).write(tmp_path / "Split-train" / "data-0.gz"))
    write_counts(tmp_path, {path: 150})
    molecules.part(0, 40).write(path)
    assert count_molecules([str(path)]) == 40
    (tmp_path / "counts.json").write_text("half a fi", encoding="utf-8")
    assert count_molecules([str(path)]) == 40


def test_the_bits_of_building_blocks_change_no_batch(molecules: Any, tmp_path: Path) -> None:
    """Examples hold them for other members of the model."""
    files = []
    for name, blocks in (("without", None), ("with", b"\x01" * BLOCKS_BYTES)):
        files.append(str(tmp_path / name))
        with tf.io.TFRecordWriter(files[-1]) as writer:
            for serialized in molecules.part(0, 64).serialized():
                example = tf.train.Example.FromString(serialized)
                if blocks is not None:
                    example.features.feature[FEATURE_BLOCKS].bytes_list.value.append(blocks)
                writer.write(example.SerializeToString())
    without, added = (rows_of(training_batches([file], SPEC, seed=1, pass_index=0)) for file in files)
    assert without == added


def test_validation_shows_every_molecule_once_and_its_group(training_data: TrainingData, molecules: Any) -> None:
    batches = list(validation_batches(training_data.eval_files, SPEC, seed=1, most=1000))
    assert sorted(rows_of(batches)) == sorted(expected_rows(molecules.part(256, 400)))
    groups = sum(int(group.numpy()[weight.numpy() > 0].sum()) for _, _, weight, group in batches)
    assert groups == molecules.groups[256:].sum()


def test_a_short_validation_takes_molecules_of_every_length(training_data: TrainingData, molecules: Any) -> None:
    rows = rows_of(validation_batches(training_data.eval_files, SPEC, seed=1, most=2))
    assert sorted(rows) == sorted(expected_rows(molecules.part(256, 256 + 2 * SPEC.batch_size)))


def test_order_follows_seed_and_pass(training_data: TrainingData) -> None:
    def order(seed: int, pass_index: int) -> list[tuple[bytes, ...]]:
        return rows_of(training_batches(training_data.train_files, SPEC, seed=seed, pass_index=pass_index))

    first = order(1, 0)
    assert first == order(1, 0)
    assert first != order(1, 1)
    assert first != order(2, 0)


def test_the_order_does_not_depend_on_the_order_of_the_files(training_data: TrainingData) -> None:
    files = training_data.train_files
    batches = [rows_of(training_batches(names, SPEC, seed=1, pass_index=0)) for names in (files, files[::-1])]
    assert batches[0] == batches[1]


def test_batches_have_few_shapes_and_short_molecules_short_ones(training_data: TrainingData) -> None:
    lengths = [
        inputs["tokens"].shape for inputs, *_ in training_batches(training_data.train_files, SPEC, seed=1, pass_index=0)
    ]
    assert {shape[0] for shape in lengths} == {32}
    assert {shape[1] for shape in lengths} <= {8, 12, 16, 24}
    assert len({shape[1] for shape in lengths}) > 1


def test_filling_rows_have_no_label(training_data: TrainingData) -> None:
    spec = replace(SPEC, batch_size=100)
    labels, weights = zip(
        *((y, w) for _, y, w in training_batches(training_data.train_files, spec, seed=1, pass_index=0)), strict=True
    )
    filling = np.concatenate(labels)[np.concatenate(weights) == 0]
    assert filling.shape == (44, 3)
    assert (filling == 2).all()


def test_long_molecules_are_cut(training_data: TrainingData, molecules: Any) -> None:
    spec = replace(SPEC, max_length=6, boundaries=(64,))
    shapes = {
        inputs["tokens"].shape[1]
        for inputs, *_ in training_batches(training_data.train_files, spec, seed=1, pass_index=0)
    }
    assert shapes == {6}
    assert max(map(len, molecules.tokens)) > 6


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (replace(SPEC, vocab_size=9), "not in the vocabulary"),
        (replace(SPEC, ecfp_size=1024), "fingerprint has not 1024 bits"),
        (replace(SPEC, n_targets=4), "binds"),
    ],
    ids=["vocabulary", "fingerprint", "targets"],
)
def test_examples_of_another_kind_are_refused(training_data: TrainingData, spec: BatchSpec, message: str) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        list(training_batches(training_data.train_files, spec, seed=1, pass_index=0))


def test_impossible_labels_are_refused(molecules: Any, tmp_path: Path) -> None:
    part = molecules.part(0, 3)
    part = replace(part, binds=np.full_like(part.binds, 3))
    with pytest.raises(tf.errors.InvalidArgumentError, match="label is above 2"):
        list(training_batches([part.write(tmp_path / "bad")], SPEC, seed=1, pass_index=0))


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 30), min_size=1, max_size=70),
    batch_size=st.integers(1, 20),
    seed=st.one_of(st.none(), st.integers(0, 5)),
)
def test_splitting_by_length_loses_and_repeats_nothing(sizes: list[int], batch_size: int, seed: int | None) -> None:
    lengths = padded_lengths((8, 16), 30)
    tokens = (np.arange(30) < np.array(sizes)[:, None]).astype(np.int32) * 5
    features = {FEATURE_TOKENS: tf.constant(tokens), "number": tf.range(len(sizes))}
    pieces = split_by_length(features, batch_size=batch_size, lengths=lengths, seed=None if seed is None else (seed, 1))
    seen = []
    for piece in (cut_padding(item, lengths) for item in pieces):
        real = piece[ROW_WEIGHT].numpy() == 1
        assert piece[FEATURE_TOKENS].shape[0] == batch_size
        longest = max((sizes[number] for number in piece["number"].numpy()[real]), default=0)
        assert piece[FEATURE_TOKENS].shape[1] == min(length for length in lengths if length >= longest)
        assert not piece[FEATURE_TOKENS].numpy()[~real].any()
        seen += piece["number"].numpy()[real].tolist()
    assert sorted(seen) == list(range(len(sizes)))


def test_masking_follows_bert() -> None:
    tokens = np.random.default_rng(0).integers(2, 43, size=(2000, 50)).astype(np.int32)
    tokens[:, 40:] = 0
    hidden, labels = (array.numpy() for array in mask_tokens(tokens, rate=0.15, vocab_size=43, seed=[1, 2]))
    chosen = labels[..., 0] != -1
    np.testing.assert_array_equal(labels[..., 1], tokens)
    np.testing.assert_array_equal(labels[..., 0][chosen], tokens[chosen])
    np.testing.assert_array_equal(hidden[~chosen], tokens[~chosen])
    assert not chosen[:, 40:].any()
    assert chosen[:, :40].mean() == pytest.approx(0.15, abs=0.005)
    assert (hidden[chosen] == 1).mean() == pytest.approx(0.8, abs=0.015)
    other = hidden[chosen] != 1
    changed = other & (hidden[chosen] != tokens[chosen])
    assert changed.mean() == pytest.approx(0.1 * 40 / 41, abs=0.01)
    assert set(np.unique(hidden[chosen][changed])) == set(range(2, 43))


def test_masks_are_redrawn_every_pass_and_repeat_with_the_seed(training_data: TrainingData) -> None:
    spec = replace(SPEC, mode="mlm", ecfp_size=0)

    def masked(pass_index: int) -> dict[bytes, bytes]:
        batches = training_batches(training_data.train_files, spec, seed=1, pass_index=pass_index)
        return {
            np.trim_zeros(row[:, 1]).tobytes(): np.flatnonzero(row[:, 0] != -1).tobytes()
            for _, labels, weight in batches
            for row in labels.numpy()[weight.numpy() > 0]
        }

    first, second = masked(0), masked(1)
    assert first == masked(0)
    assert first.keys() == second.keys()
    assert sum(first[molecule] != second[molecule] for molecule in first) > len(first) / 2
