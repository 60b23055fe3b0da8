"""Boosted trees on what blocks, pairs of blocks and the other members say, kept as plain arrays."""

from typing import Any, Final, NamedTuple

import numpy as np
from lightgbm import Booster, Dataset, train
from numpy.typing import NDArray

from belka.contract import LABEL_POSITIVE, LABEL_UNKNOWN
from components.ensemble.library import Floats
from components.ensemble.settings import EnsembleSettings

# Of what trees read: thresholds lie between its steps. Training and graph sum in another order, and a value that equals
# a threshold up to rounding would send one molecule in 200 down another branch there.
STEPS: Final = 1024.0
_PARAMETERS: Final = {
    "objective": "binary",
    "min_data_in_leaf": 20,
    "feature_fraction": 0.5,
    "lambda_l2": 1.0,
    "max_depth": 8,
    "verbose": -1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,  # on a loaded machine threads that wait for one another take a hundred times as long
    "boost_from_average": False,  # what LightGBM would add to the first tree's leaves is the bias here
}


class Forest(NamedTuple):
    """The trees of all targets: node 0 is a root, and a leaf is its own successor.

    Attributes:
        feature: int32 [n_targets, n_trees, n_nodes], the feature that a node looks at.
        threshold: float32 likewise; values up to it go left.
        left: int32 likewise, the node that comes next.
        right: int32 likewise.
        value: float32 likewise, what a leaf adds to the log-odds; 0 elsewhere.
        bias: float32 [n_targets].
        depth: Steps from a root to the furthest leaf.
    """

    feature: NDArray[np.int32]
    threshold: Floats
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: Floats
    bias: Floats
    depth: int


def fit_trees(
    features: Floats, binds: NDArray[np.int8], settings: EnsembleSettings, seed: int
) -> tuple[tuple[Booster | None, float], ...]:
    """Fit the trees of each target on its known labels.

    Args:
        features: float32 [n, n_features].
        binds: int8 [n, n_targets], labels.
        settings: Number, size and learning rate.
        seed: Of the choice of features.

    Returns:
        For each target the trees, None where its known labels are all equal; and the log-odds they add to.
    """
    features = _in_steps(features)
    parameters = _PARAMETERS | {
        "num_leaves": settings.tree_leaves,
        "learning_rate": settings.tree_learning_rate,
        "seed": seed % 2**31,
    }
    fits: list[tuple[Booster | None, float]] = []
    for labels in binds.T:
        known = labels != LABEL_UNKNOWN
        hits = labels[known] == LABEL_POSITIVE
        prior = float(np.log((hits.sum() + 0.5) / ((~hits).sum() + 0.5)))
        booster = None
        if hits.any() and not hits.all():
            data = Dataset(features[known], hits, init_score=np.full(len(hits), prior), params=parameters)
            booster = train(parameters, data, num_boost_round=settings.trees)
        fits.append((booster, prior))
    return tuple(fits)


def score_trees(fits: tuple[tuple[Booster | None, float], ...], features: Floats) -> Floats:
    """Log-odds of molecules, float32 [n, n_targets]."""
    features = _in_steps(features)
    columns = [
        np.full(len(features), prior)
        + (booster.predict(features, raw_score=True, num_threads=1) if booster and len(features) else 0.0)
        for booster, prior in fits
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def make_forest(fits: tuple[tuple[Booster | None, float], ...]) -> Forest:
    """Turn the trees into arrays."""
    trees = [
        [_arrays(tree["tree_structure"]) for tree in booster.dump_model()["tree_info"]] if booster else []
        for booster, _ in fits
    ]
    n_trees = max(1, *map(len, trees))
    n_nodes = max((len(tree) for each in trees for tree in each), default=1)
    shape = (len(fits), n_trees, n_nodes)
    feature, left, right = (np.zeros(shape, np.int32) for _ in range(3))
    threshold, value = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    depth = 0
    for target, each in enumerate(trees):
        for number, nodes in enumerate(each):
            place = (target, number, slice(len(nodes)))
            columns = list(zip(*nodes, strict=True))
            feature[place], threshold[place], left[place], right[place], value[place] = columns[:5]
            depth = max(depth, *columns[5])
    return Forest(feature, threshold, left, right, value, np.array([prior for _, prior in fits], np.float32), depth)


def _in_steps(features: Floats) -> Floats:
    rounded: Floats = (np.rint(features * STEPS) / STEPS).astype(np.float32)
    return rounded


def _arrays(root: dict[str, Any]) -> list[tuple[int, float, int, int, float, int]]:
    """Nodes as (feature, threshold, left, right, value, depth), the root first."""
    nodes: list[Any] = []

    def add(node: dict[str, Any], depth: int) -> int:
        place = len(nodes)
        nodes.append(None)
        if "leaf_value" in node:
            nodes[place] = (0, 0.0, place, place, node["leaf_value"], depth)
        else:
            left, right = add(node["left_child"], depth + 1), add(node["right_child"], depth + 1)
            nodes[place] = (node["split_feature"], _not_above(node["threshold"]), left, right, 0.0, depth)
        return place

    add(root, 0)
    return nodes


def _not_above(threshold: float) -> float:
    """The largest float32 that is not above a number: single-precision values fall on the same side of both."""
    near = np.float32(threshold)
    return float(near if float(near) <= threshold else np.nextafter(near, np.float32(-np.inf)))
