"""Second stage: the records of one partition become molecules, one row each, in a seeded order."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from belka.contract import (
    EXTRA_TARGET,
    LABEL_NEGATIVE,
    LABEL_POSITIVE,
    LABEL_UNKNOWN,
    SplitGroup,
    Subset,
)
from components.parquet_merge.grouping import Texts, group_test, group_training
from components.parquet_merge.records import FLAG_BIT, tally_pairs

# What the third stage needs of a molecule. `row` is the place of its SMILES among the partition's records, train before extra;
# `bits` are label bits of its targets.
MERGED_FIELDS = (
    ("row", pa.int64()),
    ("triple", pa.int64()),
    ("bits", pa.int64()),
    ("split_group", pa.int8()),
)


@dataclass(frozen=True)
class MergeRules:
    """What decides a molecule's subset.

    Attributes:
        seed: Seed of the draw of shared validation molecules.
        targets: Names of the proteins.
        validation_shared_share: Share of the molecules without a held-out block that become validation, in [0, 1).
    """

    seed: int
    targets: tuple[str, ...]
    validation_shared_share: float


@dataclass(frozen=True)
class MergedPartition:
    """The molecules of one partition.

    Attributes:
        by_subset: Tables of MERGED_FIELDS, for test plus id_0 .. id_<n-1> int64; rows ordered by (order key, SMILES).
        counts: Named counts, added up over partitions.
    """

    by_subset: dict[Subset, pa.Table]
    counts: Counter[str]


def merge_partition(
    train: pa.Table, extra: pa.Table, test: pa.Table, rules: MergeRules, *, training_texts: Texts, test_texts: Texts
) -> MergedPartition:
    """Merge the records of one partition.

    A molecule is identified by its SMILES as given, compared as text. Training rows and extra rows of one SMILES are one molecule;
    test rows of the same SMILES are another row, in the test subset. The extra label of a validation molecule is withheld, because
    validation measures on the competition's labels. The result does not depend on the order of the records.

    Args:
        train: Records of the training file.
        extra: Records of the extra file.
        test: Records of the test file.
        rules: What decides the subset.
        training_texts: SMILES of the training records, followed by those of the extra records.
        test_texts: SMILES of the test records.

    Returns:
        The molecules and counts.
    """
    counts: Counter[str] = Counter()
    training, testing = group_training(train, extra, training_texts), group_test(test, test_texts, len(rules.targets))
    by_subset = _split_training(training, rules, counts)
    by_subset[Subset.TEST] = _test_molecules(testing, len(rules.targets), counts)
    counts["molecules_on_both_sides"] += _count_on_both_sides(training, testing, training_texts, test_texts)
    return MergedPartition(by_subset, counts)


def _split_training(training: pa.Table, rules: MergeRules, counts: Counter[str]) -> dict[Subset, pa.Table]:
    n_targets = len(rules.targets)
    order_key, bits = training["order_key"].to_numpy(), training["bits"].to_numpy()
    n_extra = training["n_extra"].to_numpy()
    in_train_file = training["n_rows"].to_numpy() > 0
    is_held_out = (bits >> FLAG_BIT) & 1 == 1
    is_validation = is_held_out | (in_train_file & _drawn(order_key, rules))
    extra_bits = (bits >> (2 * n_targets)) & 3
    kept_extra = np.where(is_validation, 0, extra_bits)
    label_bits = bits & ((1 << (2 * n_targets)) - 1)
    counts["train_rows"] += int(training["n_rows"].to_numpy().sum())
    counts["extra_rows"] += int(n_extra.sum())
    counts["train_pairs"] += int(tally_pairs(label_bits, n_targets)[:, 1:].sum())
    counts["extra_pairs_kept"] += int((kept_extra > 0).sum())
    counts["extra_pairs_withheld"] += int(((extra_bits > 0) & is_validation).sum())
    counts["molecules_in_train_and_extra"] += int((in_train_file & (n_extra > 0)).sum())
    if EXTRA_TARGET in rules.targets:
        shift = 2 * rules.targets.index(EXTRA_TARGET)
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
        _count_labels(subset, bits_of_subset, rules.targets, counts)
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


def merged_schema(subset: Subset, n_targets: int) -> pa.Schema:
    """Schema of the second stage's tables.

    Args:
        subset: The subset; test molecules carry ids.
        n_targets: Number of targets.

    Returns:
        The schema.
    """
    ids = [(f"id_{i}", pa.int64()) for i in range(n_targets)] if subset is Subset.TEST else []
    return pa.schema([*MERGED_FIELDS, *ids])


def _drawn(order_key: npt.NDArray[np.uint64], rules: MergeRules) -> npt.NDArray[np.bool_]:
    """Seeded draw by a second hash of the order key (splitmix64's finaliser), so that the draw and the order are unrelated.

    Source: Steele, Lea, Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
    """
    mixed = order_key + np.uint64((0x9E3779B97F4A7C15 * (2 * rules.seed + 1)) % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53 < rules.validation_shared_share


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
