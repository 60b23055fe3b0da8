"""Pairs that the raw rows call both 0 and 1: 1 wins, and the list says how many rows stood against it."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from belka.contract import CONFLICT_COLUMNS, EXTRA_TARGET, Subset
from components.parquet_merge.texts import Texts

CONFLICT_SCHEMA = pa.schema(zip(CONFLICT_COLUMNS, (pa.string(), pa.string(), pa.int64(), pa.int64()), strict=True))


def find_conflicts(
    train: pa.Table, extra: pa.Table, texts: Texts, molecules: Mapping[Subset, pa.Table], targets: Sequence[str]
) -> pa.Table:
    """List the conflicting pairs of one partition; rows are counted one by one, those of the extra file included.

    Args:
        train: Records of the training file.
        extra: Records of the extra file; their label counts where the molecule is not in validation.
        texts: SMILES of both, in this order.
        molecules: What was made of them, by subset: at least `row` and `bits` of MERGED_FIELDS.
        targets: Names of the proteins, in the order of the bits.

    Returns:
        CONFLICT_SCHEMA, ordered by (order key, SMILES, target).
    """
    withheld, rows = [], []
    for subset in (Subset.TRAIN, Subset.VALIDATION):
        bits = molecules[subset]["bits"].to_numpy()
        of_subset = molecules[subset]["row"].to_numpy()[np.flatnonzero(_has_both(bits, len(targets)))]
        rows.append(of_subset)
        withheld.append(np.full(len(of_subset), subset is Subset.VALIDATION))
    row, is_withheld = np.concatenate(rows), np.concatenate(withheld)
    if not len(row):
        return CONFLICT_SCHEMA.empty_table()
    records = pa.concat_tables([train.select(["order_key", "bits"]), extra.select(["order_key", "bits"])])
    keys = records["order_key"].to_numpy()
    order = pc.sort_indices(
        pa.table({"key": keys[row], "smiles": texts.take(row)}), [("key", "ascending"), ("smiles", "ascending")]
    ).to_numpy()
    row, is_withheld = row[order], is_withheld[order]
    smiles = texts.take(row)
    of_conflicts = np.flatnonzero(np.isin(keys, keys[row]))
    # Two SMILES may share a key.
    place = pc.fill_null(pc.index_in(texts.take(of_conflicts), value_set=smiles), -1).to_numpy()
    of_conflicts, place = of_conflicts[place >= 0], place[place >= 0]
    bits, is_extra = records["bits"].to_numpy()[of_conflicts], of_conflicts >= len(train)
    if EXTRA_TARGET in targets:
        moved = ((bits >> (2 * len(targets))) & 3) << (2 * targets.index(EXTRA_TARGET))
        bits = np.where(is_extra, np.where(is_withheld[place], 0, moved), bits)
    lines = []
    for target, name in enumerate(targets):
        # Each record stands for one row of each label it carries, see `join_runs`.
        zeros, ones = (
            np.bincount(place[(bits >> bit) & 1 == 1], minlength=len(row)) for bit in (2 * target, 2 * target + 1)
        )
        molecule = np.flatnonzero((zeros > 0) & (ones > 0))
        names = pa.array([name] * len(molecule), pa.string())
        columns = [smiles.take(pa.array(molecule)), names, *map(pa.array, (zeros[molecule], ones[molecule]))]
        lines.append(pa.Table.from_arrays(columns, schema=CONFLICT_SCHEMA).append_column("at", pa.array(molecule)))
    # Stable: the targets of a molecule keep their order.
    return pa.concat_tables(lines).sort_by("at").drop_columns("at")


def _has_both(bits: npt.NDArray[np.int64], n_targets: int) -> npt.NDArray[np.bool_]:
    """Whether some target has both its bits, bool [n]."""
    zeros = sum(1 << (2 * target) for target in range(n_targets))
    both: npt.NDArray[np.bool_] = bits & (bits >> 1) & zeros != 0
    return both
