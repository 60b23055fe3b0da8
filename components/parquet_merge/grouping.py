"""Records of one SMILES brought together: sorted by the order key, which is a hash, and told apart by their text."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_NO_TRIPLE = np.iinfo(np.int64).max


def group_training(train: pa.Table, extra: pa.Table) -> pa.Table:
    """Make one row of all training and extra records of a SMILES.

    Args:
        train: Records of the training file, RECORD_SCHEMA.
        extra: Records of the extra file, RECORD_SCHEMA.

    Returns:
        Ordered by (order key, SMILES): smiles, order_key uint64, triple int64 (the largest), bits int64 (all of them), n_rows and
        n_extra int64 (raw rows of either file), has_several_triples bool.
    """
    records = pa.concat_tables([train, extra])
    order, starts, smiles = _sorted_runs(records)
    n_rows = records["n_rows"].to_numpy()
    is_extra = np.arange(len(records)) >= len(train)
    by_source = {"n_rows": np.where(is_extra, 0, n_rows), "n_extra": np.where(is_extra, n_rows, 0)}
    sums = {name: pa.array(_reduce(np.add, values[order], starts)) for name, values in by_source.items()}
    return pa.table({**_common_columns(records, order, starts, smiles), **sums})


def group_test(test: pa.Table, n_targets: int) -> pa.Table:
    """Make one row of all test records of a SMILES.

    Args:
        test: Records of the test file, TEST_SCHEMA.
        n_targets: Number of targets.

    Returns:
        As `group_training`, with n_rows only, and id_0 .. id_<n-1> int64: the smallest id of each target, null = pair absent.
    """
    order, starts, smiles = _sorted_runs(test)
    protein, ids = test["protein_code"].to_numpy()[order], test["id"].to_numpy()[order]
    columns = _common_columns(test, order, starts, smiles)
    columns["n_rows"] = pa.array(np.diff(np.append(starts, len(test))))
    for target in range(n_targets):
        is_target = protein == target
        lowest = _reduce(np.minimum, np.where(is_target, ids, np.iinfo(np.int64).max), starts)
        columns[f"id_{target}"] = pa.array(lowest, mask=np.logical_not(_reduce(np.logical_or, is_target, starts)))
    return pa.table(columns)


def _common_columns(
    records: pa.Table, order: npt.NDArray[np.intp], starts: npt.NDArray[np.intp], smiles: pa.Array
) -> dict[str, pa.Array]:
    triple, bits = records["triple"].to_numpy()[order], records["bits"].to_numpy()[order]
    highest = _reduce(np.maximum, triple, starts)
    lowest = _reduce(np.minimum, np.where(triple == 0, _NO_TRIPLE, triple), starts)
    return {
        "smiles": smiles,
        "order_key": pa.array(records["order_key"].to_numpy()[order][starts]),
        "triple": pa.array(highest),
        "bits": pa.array(_reduce(np.bitwise_or, bits, starts)),
        "has_several_triples": pa.array((highest != 0) & (lowest != highest)),
    }


def _sorted_runs(records: pa.Table) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], pa.Array]:
    """The order of the records, the first place of each run of one SMILES in it, and the SMILES of each run."""
    n = len(records)
    if n == 0:
        nothing = np.zeros(0, dtype=np.intp)
        return nothing, nothing, pa.array([], pa.string())
    keys = records["order_key"].to_numpy()
    order = np.argsort(keys)
    keys = keys[order]
    smiles = records["smiles"].combine_chunks()
    same_key = keys[1:] == keys[:-1]
    in_order = smiles.take(pa.array(order))
    same_text = pc.equal(in_order.slice(1), in_order.slice(0, n - 1)).to_numpy(zero_copy_only=False)
    if (same_key & ~same_text).any():
        order = _order_ties_by_text(order, in_order, same_key, same_key & ~same_text)
        in_order = smiles.take(pa.array(order))
        same_text = pc.equal(in_order.slice(1), in_order.slice(0, n - 1)).to_numpy(zero_copy_only=False)
    starts = np.flatnonzero(np.concatenate(([True], ~(same_key & same_text))))
    return order, starts, in_order if len(starts) == n else in_order.take(pa.array(starts))


def _order_ties_by_text(
    order: npt.NDArray[np.intp], in_order: pa.Array, same_key: npt.NDArray[np.bool_], is_mixed: npt.NDArray[np.bool_]
) -> npt.NDArray[np.intp]:
    """Sort the few runs in which different SMILES share a key by SMILES."""
    bounds = np.append(np.flatnonzero(np.concatenate(([True], ~same_key))), len(order))
    order = order.copy()
    for run in np.unique(np.searchsorted(bounds, np.flatnonzero(is_mixed), side="right") - 1):
        first, end = bounds[run], bounds[run + 1]
        texts = in_order.slice(first, end - first).to_pylist()
        order[first:end] = order[first:end][sorted(range(len(texts)), key=texts.__getitem__)]
    return order


def _reduce(
    function: np.ufunc, values: npt.NDArray[np.generic], starts: npt.NDArray[np.intp]
) -> npt.NDArray[np.generic]:
    """Reduce each run; most runs of a sorted file hold one record, and all do when nothing repeats."""
    return values if len(starts) == len(values) else function.reduceat(values, starts)
