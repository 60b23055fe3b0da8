"""Second stage: the records of one partition become molecules, one row each, in a seeded order.

Records of one SMILES are brought together: sorted by the order key, which is a hash, and told apart by their text.
"""

import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from belka.contract import EXTRA_TARGET, LABEL_NEGATIVE, LABEL_POSITIVE, LABEL_UNKNOWN, SplitGroup, Subset
from belka.hashing import splitmix64
from belka.progress import counted
from belka.raw_directory import EXTRA, TEST, TRAIN
from belka.settings import DataSettings, SystemSettings
from components.parquet_merge.blocks import BlockTable
from components.parquet_merge.conflicts import CONFLICT_SCHEMA, find_conflicts
from components.parquet_merge.parallel import map_in_order
from components.parquet_merge.partition import Partitions, read_smiles
from components.parquet_merge.record_format import FLAG_BIT, MERGED_FIELDS, merged_schema, tally_pairs
from components.parquet_merge.shards import MergedStore
from components.parquet_merge.texts import Texts

logger = logging.getLogger(__name__)

ALIAS_SCHEMA = pa.schema([("id", pa.int64()), ("carrier", pa.int64())])
_NO_TRIPLE = np.iinfo(np.int64).max
_Places = npt.NDArray[np.intp]


class MergedPartition(NamedTuple):
    """What became of the records of one partition, or of several.

    Attributes:
        molecules: By subset, tables of MERGED_FIELDS, for test plus id_0 .. id_<n-1> int64; rows ordered by
            (order key, SMILES).
        counts: Named counts, which are added up over partitions.
        aliases: Ids that share a prediction with another, see `group_test`.
        conflicts: Pairs with both labels, see `find_conflicts`.
    """

    molecules: dict[Subset, pa.Table]
    counts: Counter[str]
    aliases: pa.Table
    conflicts: pa.Table


def group_partitions(
    partitions: Mapping[str, Partitions],
    blocks: BlockTable,
    *,
    data: DataSettings,
    system: SystemSettings,
    work_dir: Path,
    conflicts_path: Path,
) -> tuple[list[MergedStore], Counter[str], pa.Table]:
    """Merge partition by partition.

    Args:
        partitions: The records of each source.
        blocks: The building blocks.
        data: Targets, and the share of the molecules without a held-out block that become validation.
        system: Seed of that draw, and threads; `n_workers` is 1 or more.
        work_dir: Folder for the merged molecules.
        conflicts_path: Receives the pairs with both labels, in the order of the molecules' keys.

    Returns:
        The molecules of each subset, in the order of molecule ids; counts; and the aliases of all partitions, see
        `group_test`, by id.
    """
    n_targets = len(data.targets)
    stores = {subset: MergedStore(work_dir / f"{subset.split}.arrow", subset, n_targets) for subset in Subset}
    train, extra, test = (partitions[source] for source in (TRAIN, EXTRA, TEST))
    counts: Counter[str] = Counter()
    aliases = [ALIAS_SCHEMA.empty_table()]

    def group_one(partition: int) -> MergedPartition:
        return merge_partition(
            blocks.place(train.read(partition), TRAIN),
            extra.read(partition),
            blocks.place(test.read(partition), TEST),
            data=data,
            seed=system.seed,
            training_texts=Texts(lambda: read_smiles((train, extra), partition)),
            test_texts=Texts(lambda: read_smiles((test,), partition)),
        )

    logger.info("Merging %d partitions.", train.n_partitions)
    # One ahead: else the thread of a small partition would wait for that of a large one before it.
    grouping = map_in_order(group_one, range(train.n_partitions), n_workers=system.n_workers, n_ahead=1)
    with pq.ParquetWriter(conflicts_path, CONFLICT_SCHEMA, compression="zstd") as conflicts:
        for merged in counted(grouping, "grouping", "partitions", train.n_partitions):
            aliases.append(merged.aliases)
            for subset, table in merged.molecules.items():
                stores[subset].add(table)
            if len(merged.conflicts):
                conflicts.write_table(merged.conflicts)
            counts.update(merged.counts)
    for store in stores.values():
        store.close()
    return list(stores.values()), counts, pa.concat_tables(aliases).sort_by("id")


def merge_partition(
    train: pa.Table,
    extra: pa.Table,
    test: pa.Table,
    *,
    data: DataSettings,
    seed: int,
    training_texts: Texts,
    test_texts: Texts,
) -> MergedPartition:
    """Merge the records of one partition.

    A molecule is identified by its SMILES, compared as text, since all are in the one spelling. Training rows and
    extra rows of one SMILES are one molecule; test rows of the same SMILES are another row, in the test subset. The
    extra label of a validation molecule is withheld, because validation measures on the competition's labels. The
    result does not depend on the order of the records.

    Args:
        train: Records of the training file.
        extra: Records of the extra file.
        test: Records of the test file.
        data: Targets, and the share of the molecules without a held-out block that become validation.
        seed: Seed of that draw.
        training_texts: SMILES of the training records, followed by those of the extra records.
        test_texts: SMILES of the test records.
    """
    counts: Counter[str] = Counter()
    training = group_training(train, extra, training_texts)
    testing, aliases = group_test(test, test_texts, len(data.targets))
    by_subset = _split_training(training, data, seed, counts)
    by_subset[Subset.TEST] = _test_molecules(testing, len(data.targets), counts)
    counts["molecules_on_both_sides"] += _count_on_both_sides(training, testing, training_texts, test_texts)
    counts["test_second_ids"] += len(aliases)
    conflicts = find_conflicts(train, extra, training_texts, by_subset, data.targets)
    return MergedPartition(by_subset, counts, aliases, conflicts)


def _split_training(training: pa.Table, data: DataSettings, seed: int, counts: Counter[str]) -> dict[Subset, pa.Table]:
    n_targets = len(data.targets)
    order_key, bits = training["order_key"].to_numpy(), training["bits"].to_numpy()
    n_extra = training["n_extra"].to_numpy()
    in_train_file = training["n_rows"].to_numpy() > 0
    # By a second hash of the order key, so that the draw and the order are unrelated.
    draw = (splitmix64(order_key, 2 * seed + 1) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    is_held_out = (bits >> FLAG_BIT) & 1 == 1
    is_validation = is_held_out | (in_train_file & (draw < data.validation_shared_share))
    extra_bits = (bits >> (2 * n_targets)) & 3
    kept_extra = np.where(is_validation, 0, extra_bits)
    label_bits = bits & ((1 << (2 * n_targets)) - 1)
    counts["train_rows"] += int(training["n_rows"].to_numpy().sum())
    counts["extra_rows"] += int(n_extra.sum())
    counts["train_pairs"] += int(tally_pairs(label_bits, n_targets)[:, 1:].sum())
    counts["extra_pairs_kept"] += int((kept_extra > 0).sum())
    counts["extra_pairs_withheld"] += int(((extra_bits > 0) & is_validation).sum())
    counts["molecules_in_train_and_extra"] += int((in_train_file & (n_extra > 0)).sum())
    if EXTRA_TARGET in data.targets:
        shift = 2 * data.targets.index(EXTRA_TARGET)
        counts["pairs_in_train_and_extra"] += int(((kept_extra > 0) & ((label_bits >> shift) & 3 > 0)).sum())
        label_bits |= kept_extra << shift
    counts["molecules_with_several_block_triples"] += int(pc.sum(training["has_several_triples"]).as_py() or 0)
    group = np.where(is_held_out, SplitGroup.NON_SHARED, SplitGroup.SHARED).astype(np.int8)
    result = {}
    for subset, chosen in ((Subset.TRAIN, ~is_validation), (Subset.VALIDATION, is_validation)):
        rows = np.flatnonzero(chosen)
        bits_of_subset, group_of_subset = label_bits[rows], group[rows]
        places = [training[name].to_numpy()[rows] for name in ("row", "triple")]
        columns = [pa.array(column) for column in (*places, bits_of_subset, group_of_subset)]
        result[subset] = pa.Table.from_arrays(columns, schema=pa.schema(MERGED_FIELDS))
        _count_molecules(subset, group_of_subset, counts)
        _count_labels(subset, bits_of_subset, data.targets, counts)
    return result


def _test_molecules(testing: pa.Table, n_targets: int, counts: Counter[str]) -> pa.Table:
    group = (testing["bits"].to_numpy() >> FLAG_BIT & 1).astype(np.int8)
    names = [f"id_{i}" for i in range(n_targets)]
    counts["test_rows"] += int(testing["n_rows"].to_numpy().sum())
    for i, name in enumerate(names):
        n_pairs = len(testing) - testing[name].null_count
        counts["test_pairs"] += n_pairs
        counts[f"test_pairs_absent/{i}"] += len(testing) - n_pairs
    counts["molecules_with_several_block_triples"] += int(pc.sum(testing["has_several_triples"]).as_py() or 0)
    _count_molecules(Subset.TEST, group, counts)
    no_labels = pa.array(np.zeros(len(testing), dtype=np.int64))
    columns = [testing["row"], testing["triple"], no_labels, pa.array(group), *(testing[name] for name in names)]
    return pa.Table.from_arrays(columns, schema=merged_schema(Subset.TEST, n_targets))


def _count_on_both_sides(training: pa.Table, testing: pa.Table, training_texts: Texts, test_texts: Texts) -> int:
    """Molecules in both tables: equal keys first, which is cheap, then equal SMILES."""
    train_keys, test_keys = training["order_key"].to_numpy(), testing["order_key"].to_numpy()
    # Looked for are the keys of the test file, which are few.
    starts, stops = (np.searchsorted(train_keys, test_keys, side=side) for side in ("left", "right"))
    is_found = starts < stops
    if not is_found.any():
        return 0
    ranges = zip(starts[is_found], stops[is_found], strict=True)
    train_rows = training["row"].to_numpy()[np.unique(np.concatenate([np.arange(*bounds) for bounds in ranges]))]
    test_rows = testing["row"].to_numpy()[is_found]
    on_both = pc.is_in(training_texts.take(train_rows), value_set=test_texts.take(test_rows))
    return int(pc.sum(on_both).as_py())


def _count_molecules(subset: Subset, group: npt.NDArray[np.int8], counts: Counter[str]) -> None:
    for value in SplitGroup:
        counts[f"molecules/{subset.split}/{value.label}"] += int((group == value).sum())


def _count_labels(subset: Subset, bits: npt.NDArray[np.int64], targets: tuple[str, ...], counts: Counter[str]) -> None:
    tally = tally_pairs(bits, len(targets))
    for target, (n_unknown, n_negative, n_positive, n_both) in zip(targets, tally.tolist(), strict=True):
        counts["conflicting_pairs"] += n_both
        by_label = {LABEL_NEGATIVE: n_negative, LABEL_POSITIVE: n_positive + n_both, LABEL_UNKNOWN: n_unknown}
        for label, number in by_label.items():
            counts[f"labels/{subset.split}/{target}/{label}"] += number


def group_training(train: pa.Table, extra: pa.Table, texts: Texts) -> pa.Table:
    """Make one row of all training and extra records of a SMILES.

    Args:
        train: Records of the training file, RECORD_SCHEMA; their SMILES are not looked at.
        extra: Records of the extra file.
        texts: SMILES of both, in this order.

    Returns:
        Ordered by (order key, SMILES): row int64 (a record of the molecule, for its SMILES), order_key uint64, triple
        int64 (the largest), bits int64 (all of them), n_rows and n_extra int64 (raw rows of either file),
        has_several_triples bool.
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


def group_test(test: pa.Table, texts: Texts, n_targets: int) -> tuple[pa.Table, pa.Table]:
    """Make one row of all test records of a SMILES.

    Several ids of one pair get one prediction: the smallest carries it, and the others are its aliases.

    Args:
        test: Records of the test file, TEST_SCHEMA; their SMILES are not looked at.
        texts: Their SMILES.
        n_targets: Number of targets.

    Returns:
        As `group_training`, with n_rows only, and id_0 .. id_<n-1> int64: the smallest id of each target, null = pair
        absent; and the aliases, ALIAS_SCHEMA.
    """
    order, starts = _sorted_runs(test, texts)
    aliases = [ALIAS_SCHEMA.empty_table()]
    protein, ids = test["protein_code"].to_numpy()[order], test["id"].to_numpy()[order]
    columns = _common_columns(test, order, starts)
    columns["n_rows"] = pa.array(np.diff(np.append(starts, len(test))))
    for target in range(n_targets):
        is_target = protein == target
        lowest = _reduce(np.minimum, np.where(is_target, ids, np.iinfo(np.int64).max), starts)
        columns[f"id_{target}"] = pa.array(lowest, mask=np.logical_not(_reduce(np.logical_or, is_target, starts)))
        carrier = np.repeat(lowest, np.diff(np.append(starts, len(test))))
        is_alias = is_target & (ids != carrier)
        pairs = pa.table([pa.array(ids[is_alias]), pa.array(carrier[is_alias])], schema=ALIAS_SCHEMA)
        aliases.append(pairs.group_by(ALIAS_SCHEMA.names).aggregate([]))
    return pa.table(columns), pa.concat_tables(aliases)


def _common_columns(records: pa.Table, order: _Places, starts: _Places) -> dict[str, pa.Array]:
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


def _sorted_runs(records: pa.Table, texts: Texts) -> tuple[_Places, _Places]:
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
    order: _Places, is_start: npt.NDArray[np.bool_], texts: Texts
) -> tuple[_Places, npt.NDArray[np.bool_]]:
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


def _reduce(function: np.ufunc, values: npt.NDArray[np.generic], starts: _Places) -> npt.NDArray[np.generic]:
    """Reduce each run."""
    return values if len(starts) == len(values) else function.reduceat(values, starts)
