"""Labelled molecules of Examples in memory: all of them, or a random sample that no order of files changes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from belka.contract import FEATURE_BINDS, FEATURE_MOLECULE_ID, LABEL_UNKNOWN
from belka.examples import read_examples

Columns = dict[str, NDArray[Any]]
Draw = Callable[[NDArray[np.int64]], NDArray[np.uint64]]

_DRAW: Final = "draw"  # no feature has this name


def sample_labelled(
    files: Sequence[Path], features: Sequence[str], draw: Draw, *, n_targets: int, limit: int
) -> tuple[Columns, int]:
    """Read molecules with a known label; above a limit those of lowest draw, so that files may be sorted by label.

    Args:
        files: TFRecord files.
        features: Features to read, molecule_id and binds among them.
        draw: Ids of molecules, int64 [n] -> a number of each, uint64 [n].
        n_targets: Number of targets.
        limit: Most molecules to keep, at least 1; up to twice as many are in memory.

    Returns:
        Feature -> its values in ascending order of the draws, empty where no molecule has a label; and how many have
        one in all.

    Raises:
        BelkaError: The Examples are damaged or lack a feature.
    """
    kept: list[Columns] = []
    n_labelled, n_kept, highest = 0, 0, np.uint64(2**64 - 1)
    for batch in read_examples(files, features, n_targets=n_targets):
        labelled = (batch.columns[FEATURE_BINDS] != LABEL_UNKNOWN).any(axis=1)
        n_labelled += int(labelled.sum())
        draws = draw(batch.columns[FEATURE_MOLECULE_ID])
        chosen = labelled & (draws <= highest)
        kept.append({_DRAW: draws[chosen], **{name: batch.columns[name][chosen] for name in features}})
        n_kept += int(chosen.sum())
        if n_kept > 2 * limit:
            kept = [_lowest(kept, limit)]
            n_kept, highest = limit, kept[0][_DRAW][-1]
    if not n_labelled:
        return {}, 0
    lowest = _lowest(kept, limit)
    return {name: lowest[name] for name in features}, n_labelled


def _lowest(parts: Sequence[Columns], limit: int) -> Columns:
    """The molecules of lowest draw in ascending order of it."""
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(whole[_DRAW], kind="stable")[:limit]
    return {name: values[order] for name, values in whole.items()}
