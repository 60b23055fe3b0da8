"""Random raw files against a brute-force merge in plain Python dictionaries."""

import itertools
import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.parquet_merge import partition as partition_module
from components.parquet_merge import training_reader as reader_module

TARGETS = ["BRD4", "HSA", "sEH"]
BLOCK_COLUMNS = tuple(f"buildingblock{i}_smiles" for i in (1, 2, 3))
# Text -> the one spelling of its structure; what is no molecule keeps its text.
SPELLINGS = {
    "CC(=O)N[Dy]": "CC(=O)N[Dy]",
    "O=C(C)[NH][Dy]": "CC(=O)N[Dy]",
    "N([Dy])C(C)=O": "CC(=O)N[Dy]",
    "C1=CC=CN=C1": "c1ccncc1",
    "n1ccccc1": "c1ccncc1",
    "C[C@H](N)O": "C[C@H](N)O",
    "O[C@H](C)N": "C[C@H](N)O",
    "O[C@@H](C)N": "C[C@@H](N)O",
    "C": "C",
    "[CH4]": "C",
    "C(": "C(",
}
LONG = "C" * 1001
# Text -> the SMILES in it and whether a name was cut off, or why it is refused. Other texts are SMILES.
ODD: dict[str | None, tuple[str, bool] | str] = {
    " C[C@H](N)O": ("C[C@H](N)O", False),
    "c1ccncc1  ": ("c1ccncc1", False),
    "CC(=O)N[Dy] CMPD-1013": ("CC(=O)N[Dy]", True),
    "O=C(C)[NH][Dy]\t|$_R1$| x": ("O=C(C)[NH][Dy]", True),
    **dict.fromkeys(("", None, " ", "nan", "None", " NA", "null"), "empty SMILES"),
    **dict.fromkeys(("C\x01C[Dy]", "C\u200b", "N[Dy]\u00e9"), "SMILES with a character other than printable ASCII"),
    LONG: "SMILES of more than 1,000 characters",
}
# Text -> the block; None = there is none.
BLOCK_SPELLINGS: dict[str | None, str | None] = {
    **{block: block for block in ("Ca", "Cb", "CCO", "C1CC1.Cl")},
    **dict.fromkeys(("OCC", " C(C)O", "CCO BB-17"), "CCO"),
    "Cl.C1CC1": "C1CC1.Cl",
}
NO_BLOCK: dict[str | None, str | None] = dict.fromkeys((None, "", "nan", "N/A"))
SMILES, BLOCKS = [*SPELLINGS, *SPELLINGS, *ODD], [*BLOCK_SPELLINGS]

rows = st.fixed_dictionaries(
    {
        "id": st.one_of(st.integers(0, 30), st.just(-1), st.none()),
        "buildingblock1_smiles": st.sampled_from([*BLOCKS, *BLOCKS, *NO_BLOCK]),
        "buildingblock2_smiles": st.sampled_from(BLOCKS),
        # Mostly none: often the rows with a block are refused, and then the library has none in this position.
        "buildingblock3_smiles": st.sampled_from([*[*NO_BLOCK] * 6, "CCO"]),
        "molecule_smiles": st.sampled_from(SMILES),
        "protein_name": st.sampled_from([*TARGETS, *TARGETS, "XYZ", "hsa ", None]),
        "binds": st.sampled_from([0, 1, 0, 1, 2, None]),
    }
)
extra_rows = st.fixed_dictionaries(
    {
        "new_structure": st.sampled_from([*filter(None, SMILES), "NEW"]),
        "read_count": st.sampled_from(["0", "1", "17", "-3", "many"]),
    }
)
# A file without one usable row is refused, and so is a training file without a row of a target, so each gets them; they
# are of none of the molecules above.
ANCHOR = {
    "id": 1000,
    **dict(zip(BLOCK_COLUMNS, ("Ca", "Ca", "nan"), strict=True)),
    "molecule_smiles": "ANCHOR",
    "protein_name": "HSA",
    "binds": 0,
}
ANCHORS = [ANCHOR, {**ANCHOR, "id": 1001, "protein_name": "BRD4"}]
raw_folders = st.fixed_dictionaries(
    {
        "train": st.lists(rows, max_size=25).map(lambda drawn: [*drawn, *ANCHORS]),
        "test": st.lists(rows, max_size=25).map(lambda drawn: [*drawn, *ANCHORS]),
        "extra": st.lists(extra_rows, min_size=1, max_size=8),
        "shuffled": st.randoms(use_true_random=False),
    }
)


Row = dict[str, Any]


def read(row: Row, column: str) -> Row:
    """The row with its blocks and the SMILES in `column` in the one spelling.

    Keys beside those of the row: `given`, the SMILES in the text; `is_cut`, whether it had a name; `reason`, why there
    is none.
    """
    found = ODD.get(row[column], (row[column], False))
    given, is_cut = (None, False) if isinstance(found, str) else found
    blocks = {name: {**BLOCK_SPELLINGS, **NO_BLOCK}[row[name]] for name in BLOCK_COLUMNS if name in row}
    reason = found if isinstance(found, str) else None
    return {
        **row,
        **blocks,
        column: given and SPELLINGS.get(given, given),
        "given": given,
        "is_cut": is_cut,
        "reason": reason,
    }


def spelled(raw: dict[str, Any]) -> dict[str, list[Row]]:
    """What `read` makes of all rows."""
    columns = {"train": "molecule_smiles", "test": "molecule_smiles", "extra": "new_structure"}
    return {source: [read(row, column) for row in raw[source]] for source, column in columns.items()}


def used_rows(raw: dict[str, Any]) -> list[Row]:
    """The usable rows of train and test."""
    return [row for source in ("train", "test") for row in usable(raw[source], is_train=source == "train")[0]]


def respelled_and_twins(raw: dict[str, list[Row]]) -> tuple[int, int]:
    """Usable rows whose text was not in the one spelling, and spellings of a structure beyond its first."""
    texts = [(row["molecule_smiles"], row["given"]) for row in used_rows(raw)]
    texts += [(row["new_structure"], row["given"]) for row in raw["extra"] if is_usable_extra(row)]
    return sum(given != smiles for smiles, given in texts), len(set(texts)) - len({smiles for smiles, _ in texts})


def is_usable_extra(row: Row) -> bool:
    return bool(row["new_structure"]) and row["read_count"] in ("0", "1", "17")


def triple(row: Row) -> tuple[str | None, ...]:
    return tuple(row[name] for name in BLOCK_COLUMNS)


def blocks_of(rows: list[Row]) -> set[str]:
    return {block for row in rows for block in triple(row) if block}


def positions(train: list[Row]) -> list[bool]:
    """In which positions the training library has blocks: those of rows that nothing else is wrong with."""
    sound = [row for row in train if not row_reason(row, [False] * 3, is_train=True)]
    return [any(triple(row)[i] for row in sound) for i in range(3)]


def pair(row: Row) -> tuple[bytes, int]:
    return row["molecule_smiles"].encode(), TARGETS.index(row["protein_name"])


def row_reason(row: Row, has_position: list[bool], *, is_train: bool) -> str | None:
    """Why a row cannot be used, whatever the others say."""
    tests = (
        (row["protein_name"] == "XYZ", "protein is not among data.targets"),
        (row["reason"], row["reason"]),
        (is_train and any(has_position[i] and not triple(row)[i] for i in range(3)), "building block is missing"),
        (row["id"] is None or row["id"] < 0, "id is missing, or a number below 0"),
        (row["protein_name"] not in TARGETS, "unknown protein"),
        (is_train and row["binds"] not in (0, 1), "label is not 0 or 1"),
    )
    return next((reason for is_so, reason in tests if is_so), None)


def usable(raw: list[Row], *, is_train: bool) -> tuple[list[Row], Counter[str]]:
    """The rows that survive, and why the others do not."""
    has_position = positions(raw) if is_train else [False] * 3
    reasons = Counter(reason for row in raw if (reason := row_reason(row, has_position, is_train=is_train)))
    kept = [row for row in raw if not row_reason(row, has_position, is_train=is_train)]
    owner: dict[int, tuple[bytes, int]] = {}
    for row in kept:
        owner[row["id"]] = min(owner.get(row["id"], pair(row)), pair(row))
    one_pair = [row for row in kept if owner[row["id"]] == pair(row)]
    reasons["duplicate id: another pair has it"] = len(kept) - len(one_pair)
    return one_pair, +reasons


def ids_by_pair(test: list[Row]) -> dict[tuple[bytes, int], set[int]]:
    """The ids of each usable test pair."""
    found = defaultdict(set)
    for row in test:
        found[pair(row)].add(row["id"])
    return found


def expected_molecules(raw: dict[str, Any], held_out: set[str]) -> dict[tuple[str, str], dict[str, Any]]:
    """(side, SMILES) -> what the molecules table must say."""
    train, _ = usable(raw["train"], is_train=True)
    shown, has_position = blocks_of(train), positions(raw["train"])
    result: dict[tuple[str, str], dict[str, Any]] = {}
    labels: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    triples: dict[tuple[str, str], set[tuple[str | None, ...]]] = defaultdict(set)
    for row in train:
        labels[row["molecule_smiles"]][row["protein_name"]].add(row["binds"])
        triples["train", row["molecule_smiles"]].add(triple(row))
    validation = {smiles for _, smiles in triples if any(held_out & set(t) for t in triples["train", smiles])}
    for row in raw["extra"]:
        smiles, count = row["new_structure"], row["read_count"]
        if is_usable_extra(row):
            molecule = labels[smiles]
            if smiles not in validation:
                molecule["sEH"].add(int(count != "0"))
    for smiles, by_protein in labels.items():
        is_validation = smiles in validation
        result["train", smiles] = {
            "binds": [max(by_protein[target]) if by_protein[target] else 2 for target in TARGETS],
            "ids": [None] * 3,
            "subset": int(is_validation),
            "split_group": int(is_validation),
            "triples": triples["train", smiles],
        }
    test, _ = usable(raw["test"], is_train=False)
    for row in test:
        entry = result.setdefault(
            ("test", row["molecule_smiles"]),
            {"binds": [2] * 3, "ids": [None] * 3, "subset": 2, "split_group": 0, "triples": set()},
        )
        entry["ids"][TARGETS.index(row["protein_name"])] = min(ids_by_pair(test)[pair(row)])
        entry["triples"].add(triple(row))
        unseen = any(
            (block is None and has_position[i]) or (block and block not in shown) for i, block in enumerate(triple(row))
        )
        entry["split_group"] |= int(unseen)
    return result


def check_molecules(molecules: pa.Table, raw: dict[str, Any], blocks: list[dict[str, Any]]) -> None:
    names = [block["smiles"] for block in blocks]
    assert names == sorted(blocks_of(used_rows(raw)))
    held_out = {block["smiles"] for block in blocks if block["in_validation"]}
    expected = expected_molecules(raw, held_out)
    found = molecules.to_pylist()
    assert [row["molecule_id"] for row in found] == list(range(len(expected)))
    for row in found:
        side = "test" if row["subset"] == 2 else "train"
        want = expected.pop((side, row["smiles"]))
        ids = [row["block1_id"], row["block2_id"], row["block3_id"]]
        assert tuple(None if i is None else names[i] for i in ids) in (want["triples"] or {(None, None, None)})
        assert row["smiles_no_linker"] == row["smiles"].replace("[Dy]", "[H]")
        assert {name: row[name] for name in ("binds", "ids", "subset", "split_group")} == {
            name: want[name] for name in ("binds", "ids", "subset", "split_group")
        }
    assert not expected


def expected_conflicts(raw: dict[str, Any], validation: set[str]) -> list[tuple[str, str, int, int]]:
    """Pairs with both labels: SMILES, protein, rows with 0, rows with 1."""
    rows = [
        (row["molecule_smiles"], row["protein_name"], row["binds"]) for row in usable(raw["train"], is_train=True)[0]
    ]
    rows += [
        (row["new_structure"], "sEH", int(row["read_count"] != "0"))
        for row in raw["extra"]
        if is_usable_extra(row) and row["new_structure"] not in validation
    ]
    counts = Counter(rows)
    pairs = sorted({(smiles, protein) for smiles, protein, _ in rows})
    both = [(*pair, counts[*pair, 0], counts[*pair, 1]) for pair in pairs]
    return [line for line in both if line[2] and line[3]]


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many batches and partitions even for a few rows."""
    partitions = itertools.cycle((1, 4, 16))
    monkeypatch.setattr(partition_module, "BATCH_ROWS", 3)
    monkeypatch.setattr(reader_module, "GROUP_ROWS", 7)
    monkeypatch.setattr(reader_module, "BATCH_ROWS", 3)
    monkeypatch.setattr(partition_module, "count_partitions", lambda *_args, **_kwargs: next(partitions))


@pytest.fixture(name="folders")
def fixture_folders() -> Iterator[Callable[[], Path]]:
    with tempfile.TemporaryDirectory() as parent:
        numbers = itertools.count()
        yield lambda: Path(parent) / str(next(numbers))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=raw_folders)
def test_merge_equals_brute_force_in_any_row_order(
    raw: dict[str, Any],
    folders: Callable[[], Path],
    write_raw: Callable[..., Path],
    merge: Callable[..., dict[str, Any]],
    read_molecules: Callable[[Path], pa.Table],
) -> None:
    options = {"validation_block_share": 0.3, "rows_per_shard": 2}
    first, second = folders(), folders()
    summary = merge(write_raw(folders(), raw["train"], raw["test"], raw["extra"]), first, **options)
    given, raw = raw, {**raw, **spelled(raw)}
    assert (summary["smiles_respelled"], summary["twins_joined"]) == respelled_and_twins(raw)
    molecules = read_molecules(first)
    check_molecules(molecules, raw, pq.read_table(first / "blocks.parquet").to_pylist())
    n_training = len(blocks_of(usable(raw["train"], is_train=True)[0]))
    assert summary["blocks"]["in_training"] == n_training
    assert summary["blocks"]["in_validation"] == max(round(0.3 * n_training), int(n_training > 1))
    extra_used = [row for row in raw["extra"] if is_usable_extra(row)]
    assert summary["smiles_names_cut"] == sum(row["is_cut"] for row in [*used_rows(raw), *extra_used])
    for source, is_train in (("train", True), ("test", False)):
        kept, reasons = usable(raw[source], is_train=is_train)
        pairs = {pair(row) for row in kept}
        assert summary["files"][source]["other_proteins"] == reasons.pop("protein is not among data.targets", 0)
        assert summary["files"][source]["rejected_by_reason"] == reasons
        assert summary["files"][source]["pairs_kept"] == len(pairs)
        assert summary["files"][source]["duplicates"] == len(kept) - len(pairs)
    ids = ids_by_pair(usable(raw["test"], is_train=False)[0]).values()
    aliases = sorted((i, min(of_pair)) for of_pair in ids for i in of_pair - {min(of_pair)})
    assert [tuple(line.values()) for line in pq.read_table(first / "test_aliases.parquet").to_pylist()] == aliases
    assert summary["test_second_ids"] == len(aliases)
    validation = {line["smiles"] for line in molecules.to_pylist() if line["subset"] == 1}
    conflicts = pq.read_table(first / "conflicts.parquet")
    assert conflicts.column_names == ["molecule_smiles", "protein_name", "rows_0", "rows_1"]
    listed = [tuple(line.values()) for line in conflicts.to_pylist()]
    assert sorted(listed) == expected_conflicts(raw, validation)
    assert summary["conflicting_pairs"] == len(listed)
    n_rejected = sum(entry["rejected"] for entry in summary["files"].values())
    n_listed = n_rejected + summary["files"]["test"]["other_proteins"]
    assert pq.read_metadata(first / "rejected.parquet").num_rows == n_listed
    shuffled = {name: list(given[name]) for name in ("train", "test", "extra")}
    for part in shuffled.values():
        raw["shuffled"].shuffle(part)
    again = merge(write_raw(folders(), **shuffled), second, **options, n_workers=1)
    assert read_molecules(second).equals(molecules)
    assert pq.read_table(second / "conflicts.parquet").equals(conflicts)
    for entry in (*summary["files"].values(), *again["files"].values()):
        entry.pop("bytes")
    assert json.dumps(again, sort_keys=True) == json.dumps(summary, sort_keys=True)
