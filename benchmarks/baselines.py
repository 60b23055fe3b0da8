"""Fingerprint models on the pipeline's Examples: `python -m benchmarks.baselines`, same options as `benchmarks.stages`.

One binary model per protein, on the molecules whose label is known. Every regularisation tried is listed, so that the
best of a kind can be taken: that favours the baselines, since it is chosen on the molecules it is scored on.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np
from lightgbm import LGBMClassifier
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from belka.contract import FEATURE_BINDS, FEATURE_ECFP, FEATURE_SPLIT_GROUP, LABEL_POSITIVE, LABEL_UNKNOWN, Subset
from belka.examples import read_examples
from benchmarks.sample_data import append_result, finished, options, precision_cells
from pipeline.config.files import load_config
from pipeline.tuning.sample_data import SampleData, make_sample_data
from trainer_module.loop.validation import Predictions, average_precisions

MODELS: Final[dict[str, Callable[[], Any]]] = {
    **{f"logistic regression, C={c}": partial(LogisticRegression, C=c, max_iter=500) for c in (0.03, 0.1, 0.3, 1.0)},
    **{
        f"LightGBM, {trees} trees": partial(
            LGBMClassifier, n_estimators=trees, colsample_bytree=0.5, n_jobs=1, random_state=0, verbose=-1
        )
        for trees in (300, 1000)
    },
    "random forest, 200 trees": partial(RandomForestClassifier, 200, n_jobs=1, random_state=0),
}


def read_split(data: SampleData, subset: Subset, n_targets: int) -> dict[str, NDArray[Any]]:
    """Read bits, labels and split groups of one split.

    Returns:
        `ecfp` uint8 [n, ecfp_size] of 0 and 1, `binds` int8 [n, n_targets], `split_group` int8 [n].
    """
    names = (FEATURE_ECFP, FEATURE_BINDS, FEATURE_SPLIT_GROUP)
    parts = [batch.columns for batch in read_examples(data.files(subset), names, n_targets=n_targets)]
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in names}
    return {**arrays, FEATURE_ECFP: np.unpackbits(arrays[FEATURE_ECFP], axis=1)}


def score_model(
    make: Callable[[], Any], train: dict[str, NDArray[Any]], valid: dict[str, NDArray[Any]], targets: tuple[str, ...]
) -> dict[str, Any]:
    """Fit one model per target and score it by target and split group.

    Args:
        make: Makes an unfitted scikit-learn classifier.
        train: What to learn from, as `read_split` returns it.
        valid: What to score on.
        targets: Names of the columns of the labels.

    Returns:
        Average precision by target and split group under `last`, and the seconds of fitting and predicting.
    """
    start = time.perf_counter()
    bits, valid_bits = (split[FEATURE_ECFP].astype(np.float32) for split in (train, valid))
    scores = np.zeros((valid_bits.shape[0], len(targets)), np.float32)
    for column in range(len(targets)):
        labels = train[FEATURE_BINDS][:, column]
        known = labels != LABEL_UNKNOWN
        model = make().fit(bits[known], labels[known] == LABEL_POSITIVE)
        scores[:, column] = model.predict_proba(valid_bits)[:, 1]
    seconds = time.perf_counter() - start
    found = average_precisions(Predictions(valid[FEATURE_BINDS], scores, valid[FEATURE_SPLIT_GROUP]), targets)
    return {"last": precision_cells(found, targets), "seconds": seconds}


def main() -> None:
    """Fit the models that the results file lacks."""
    arguments = options(__doc__).parse_args()
    config = load_config(arguments.config, [f"data.raw_dir={arguments.raw_dir}"])
    targets = config.data.targets
    for seed in arguments.seeds:
        data = make_sample_data(config, seed, arguments.work_dir / str(seed))
        train, valid = (read_split(data, subset, len(targets)) for subset in (Subset.TRAIN, Subset.VALIDATION))
        for name, make in MODELS.items():
            if (name, seed) not in finished(arguments.results):
                append_result(arguments.results, name, seed, score_model(make, train, valid, targets))


if __name__ == "__main__":
    main()
