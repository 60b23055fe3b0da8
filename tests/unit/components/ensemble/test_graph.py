"""What a graph computes from bytes is what numpy, LightGBM and scikit-learn compute in training."""

from typing import Any

import numpy as np
import tensorflow as tf
from sklearn.linear_model import LogisticRegression

from belka.contract import LABEL_UNKNOWN
from components.ensemble.export import member_graphs
from components.ensemble.graph import ForestGraph, unpack_bits
from components.ensemble.kept import Arrays
from components.ensemble.kernel import KernelSums, Similarities
from components.ensemble.library import Bits
from components.ensemble.linear import sparse_bits
from components.ensemble.members import Training, kernel_fit, net_fit, odds_counts
from components.ensemble.net import score_nets
from components.ensemble.odds import count_blocks, odds_features
from components.ensemble.trees import fit_trees, make_forest, score_trees

Trained = tuple[Training, dict[str, Arrays]]


def _texts(packed: Bits) -> Any:
    return tf.constant([row.tobytes() for row in packed])


def test_bits_are_unpacked_as_numpy_does() -> None:
    packed = np.random.default_rng(0).integers(0, 256, (5, 16)).astype(np.uint8)
    np.testing.assert_array_equal(unpack_bits(_texts(packed), 16).numpy(), np.unpackbits(packed, axis=1))


def test_graphs_compute_what_training_computed(trained: Trained) -> None:
    training, fits = trained
    graphs: Any = member_graphs(training, fits)
    codes, rows = training.codes, training.with_blocks
    similarities = graphs.library(_texts(training.molecules.blocks[rows]))
    for found, table, column in zip(similarities, (0, 1, 1), codes.T, strict=True):
        np.testing.assert_array_equal(found.numpy(), training.similarities[table][column])

    sums = KernelSums(
        codes,
        training.block_binds,
        fits["kernel"]["landmarks"],
        training.similarities,
        training.settings.kernel_offset,
    )
    expected: Any = sums.score(kernel_fit(fits["kernel"]), codes)
    np.testing.assert_allclose(graphs.kernel(*similarities).numpy(), expected, atol=1e-5)
    odds: Any = odds_features(odds_counts(fits["odds"]), training.similarities, codes)
    np.testing.assert_allclose(graphs.odds(*similarities).numpy(), odds, atol=1e-5)
    nets: Any = score_nets(net_fit(fits["net"]), codes, training.similarities).mean(axis=0)
    np.testing.assert_allclose(graphs.net(*similarities).numpy(), nets, atol=1e-5)


def test_the_linear_member_is_scikit_learns(trained: Trained) -> None:
    training, fits = trained
    linear: Any = member_graphs(training, {"linear": fits["linear"]}).linear
    bits = sparse_bits(training.molecules.ecfp)
    for target, labels in enumerate(training.binds.T):
        known = labels != LABEL_UNKNOWN
        model = LogisticRegression(C=0.1, max_iter=300).fit(bits[known], labels[known])
        odds = linear(_texts(training.molecules.ecfp)).numpy()[:, target]
        np.testing.assert_allclose(1 / (1 + np.exp(-odds)), model.predict_proba(bits)[:, 1], atol=1e-5)


def test_trees_are_lightgbms_also_at_their_thresholds(trained: Trained) -> None:
    training, _ = trained
    generator = np.random.default_rng(2)
    features = generator.integers(-8, 8, (297, 5)).astype(np.float32) / np.float32(3)
    fits = fit_trees(features, training.block_binds, training.settings, seed=1)
    forest = make_forest(fits)
    assert forest.depth > 1
    at = np.repeat(np.unique(forest.threshold)[:, None], 5, axis=1)
    everything = np.concatenate([features, at, np.nextafter(at, np.float32(9))])
    expected: Any = score_trees(fits, everything)
    np.testing.assert_allclose(ForestGraph(forest)(everything).numpy(), expected, atol=1e-5)


def test_what_two_sums_round_differently_goes_down_one_branch(trained: Trained) -> None:
    """Thresholds between values that were one before rounding would part molecules by rounding alone."""
    training, _ = trained
    generator = np.random.default_rng(3)
    exact = generator.integers(-4, 4, (297, 2)) / 4

    def summed() -> Any:
        return (exact + generator.uniform(-1e-6, 1e-6, exact.shape)).astype(np.float32)

    features = summed()
    fits = fit_trees(features, training.block_binds, training.settings, seed=1)
    forest = make_forest(fits)
    assert forest.depth > 1
    assert len(np.unique(exact, axis=0)) < len(np.unique(features, axis=0))
    np.testing.assert_allclose(ForestGraph(forest)(summed()).numpy(), score_trees(fits, features), atol=1e-5)


def test_odds_of_known_and_new_blocks_by_hand() -> None:
    """Three molecules of two first and two other blocks; a new block has the odds of those like it."""
    codes = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 0]], np.int32)
    binds = np.array([[1], [0], [1]], np.int8)
    counts = count_blocks(codes, binds, (2, 2))
    np.testing.assert_array_equal(counts.first, [[[1, 0]], [[1, 1]]])
    np.testing.assert_array_equal(counts.others, [[[0, 2]], [[3, 1]]])
    np.testing.assert_array_equal(counts.first_pairs[1, 0], [[1, 1], [2, 0]])
    np.testing.assert_array_equal(counts.other_pairs[1, 0], [[2, 1], [1, 0]])


def test_a_new_block_has_the_odds_of_the_most_similar_one() -> None:
    """Block 2 was never seen: it is like block 1, which binds, and unlike block 0, which does not."""
    codes = np.array([[0, 0, 0]] * 20 + [[0, 1, 1]] * 20, np.int32)
    binds = np.array([[0]] * 20 + [[1]] * 20, np.int8)
    others = np.array([[1, 0.1, 0.1], [0.1, 1, 0.8], [0.1, 0.8, 1]], np.float32)
    similarities = Similarities(np.ones((1, 1), np.float32), others)
    features = odds_features(
        count_blocks(codes, binds, (1, 3)), similarities, np.array([[0, 0, 0], [0, 1, 1], [0, 2, 2]])
    )
    low, high, new = features[:, 1]
    assert low < -1 < 1 < new < high
    # By hand: 0.8 ** 4 of block 1's 40 hits, 0.1 ** 4 of block 0's 40 others, two molecules at the share of all.
    np.testing.assert_allclose(new, np.log((0.4096 * 40 + 1) / (0.0001 * 40 + 1)), rtol=1e-5)
    # What that rests on, six columns further: 80 places of molecules with such similarities.
    np.testing.assert_allclose(features[2, 7], np.log1p(0.4096 * 40 + 0.0001 * 40), rtol=1e-5)
    assert features[1, 7] > features[2, 7]
