"""Records of one SMILES brought together: sorted by the order key, which is a hash, and told apart by their text."""

from collections.abc import Callable
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

# So few are taken one by one: a molecule is cut in two where two batches of a sorted file meet, and nothing else repeats.
FEW_TEXTS = 1000
# Runs of several records are gathered when they are less than one in so many.
FEW_LONG_RUNS = 8
_NO_TRIPLE = np.iinfo(np.int64).max


class Texts:
    """The SMILES of some records, read when first needed: mostly the keys tell all records apart.

    Args:
        read: Reads the SMILES of the records, in their order.
    """

    def __init__(self, read: Callable[[], pa.ChunkedArray]) -> None:
        self._read = read

    def take(self, rows: npt.NDArray[np.integer]) -> pa.Array:
        """Take SMILES.

        Args:
            rows: Places of records, int [n].

        Returns:
            string[n].
        """
        if len(rows) < FEW_TEXTS:
            return pa.array([self._pieces[row] for row in rows.tolist()], pa.string())
        return self._pieces.combine_chunks().take(pa.array(rows))

    @cached_property
    def _pieces(self) -> pa.ChunkedArray:
        return self._read()


def group_training(train: pa.Table, extra: pa.Table, texts: Texts) -> pa.Table:
    """Make one row of all training and extra records of a SMILES.

    Args:
        train: Records of the training file, RECORD_SCHEMA; their SMILES are not looked at.
        extra: Records of the extra file.
        texts: SMILES of both, in this order.

    Returns:
        Ordered by (order key, SMILES): row int64 (a record of the molecule, for its SMILES), order_key uint64, triple int64 (the
        largest), bits int64 (all of them), n_rows and n_extra int64 (raw rows of either file), has_several_triples bool.
    """
    records = pa.concat_tables([train, extra])
    order, starts = _sorted_runs(records, texts)
    n_rows = records["n_rows"].to_numpy()
    by_source = {"n_rows": n_rows, "n_extra": np.zeros_like(n_rows)}
    if len(extra):
        is_extra = np.arange(len(records)) >= len(train)
        by_source = {"n_rows": np.where(is_extra, 0, n_rows), "n_extra": np.where(is_extra, n_rows, 0)}
    sums = {name: pa.array(_reduce(np.add, values[order], starts)) for name, values in by_source.items()}
    return pa.table({**_common_columns(records, order, starts), **sums})


def group_test(test: pa.Table, texts: Texts, n_targets: int) -> pa.Table:
    """Make one row of all test records of a SMILES.

    Args:
        test: Records of the test file, TEST_SCHEMA; their SMILES are not looked at.
        texts: Their SMILES.
        n_targets: Number of targets.

    Returns:
        As `group_training`, with n_rows only, and id_0 .. id_<n-1> int64: the smallest id of each target, null = pair absent.
    """
    order, starts = _sorted_runs(test, texts)
    protein, ids = test["protein_code"].to_numpy()[order], test["id"].to_numpy()[order]
    columns = _common_columns(test, order, starts)
    columns["n_rows"] = pa.array(np.diff(np.append(starts, len(test))))
    for target in range(n_targets):
        is_target = protein == target
        lowest = _reduce(np.minimum, np.where(is_target, ids, np.iinfo(np.int64).max), starts)
        columns[f"id_{target}"] = pa.array(lowest, mask=np.logical_not(_reduce(np.logical_or, is_target, starts)))
    return pa.table(columns)


def _common_columns(
    records: pa.Table, order: npt.NDArray[np.intp], starts: npt.NDArray[np.intp]
) -> dict[str, pa.Array]:
    triple, bits = records["triple"].to_numpy()[order], records["bits"].to_numpy()[order]
    highest = _reduce(np.maximum, triple, starts)
    lowest = _reduce(np.minimum, np.where(triple == 0, _NO_TRIPLE, triple), starts)
    return {
        "row": pa.array(order[starts]),
        "order_key": pa.array(records["order_key"].to_numpy()[order][starts]),
        "triple": pa.array(highest),
        "bits": pa.array(_reduce(np.bitwise_or, bits, starts)),
        "has_several_triples": pa.array((highest != 0) & (lowest != highest)),
    }


def _sorted_runs(records: pa.Table, texts: Texts) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The order of the records by (order key, SMILES), and the first place of each run of one SMILES in it."""
    if len(records) == 0:
        nothing = np.zeros(0, dtype=np.intp)
        return nothing, nothing
    keys = records["order_key"].to_numpy()
    order = np.argsort(keys)
    keys = keys[order]
    same_key = keys[1:] == keys[:-1]
    is_start = np.concatenate(([True], ~same_key))
    if same_key.any():
        # Records that share a key with another, in order: only their SMILES are looked at.
        shared = np.flatnonzero(~is_start | np.append(same_key, [False]))
        order[shared], is_start[shared] = _order_by_text(order[shared], is_start[shared], texts)
    return order, np.flatnonzero(is_start)


def _order_by_text(
    order: npt.NDArray[np.intp], is_start: npt.NDArray[np.bool_], texts: Texts
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Within the few keys that several SMILES share sort by SMILES, and start a run at each SMILES."""
    smiles = texts.take(order)
    is_mixed = ~is_start
    is_mixed[1:] &= ~_equals_the_one_before(smiles)
    if not is_mixed.any():
        return order, is_start
    bounds = np.append(np.flatnonzero(is_start), len(order))
    order = order.copy()
    for run in np.unique(np.searchsorted(bounds, np.flatnonzero(is_mixed), side="right") - 1):
        first, end = bounds[run], bounds[run + 1]
        run_texts = smiles.slice(first, end - first).to_pylist()
        order[first:end] = order[first:end][sorted(range(len(run_texts)), key=run_texts.__getitem__)]
    is_start = is_start.copy()
    is_start[1:] |= ~_equals_the_one_before(texts.take(order))
    return order, is_start


def _equals_the_one_before(smiles: pa.Array) -> npt.NDArray[np.bool_]:
    same: npt.NDArray[np.bool_] = pc.equal(smiles.slice(1), smiles.slice(0, len(smiles) - 1)).to_numpy(
        zero_copy_only=False
    )
    return same


def _reduce(
    function: np.ufunc, values: npt.NDArray[np.generic], starts: npt.NDArray[np.intp]
) -> npt.NDArray[np.generic]:
    """Reduce each run; only those of several records are looked at, which are few in a sorted file."""
    if len(starts) == len(values):
        return values
    ends = np.append(starts[1:], len(values))
    long_runs = np.flatnonzero(ends - starts > 1)
    if len(long_runs) > len(starts) // FEW_LONG_RUNS:
        return function.reduceat(values, starts)
    reduced = values[starts]
    # Between the runs that count lie those up to the next one, which are left out.
    bounds = np.stack([starts[long_runs], ends[long_runs]], axis=1).ravel()
    bounds = bounds[bounds < len(values)]
    reduced[long_runs] = function.reduceat(values, bounds)[::2]
    return reduced
