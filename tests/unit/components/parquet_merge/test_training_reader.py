"""The direct reader against the SQL of the checked view, on rows with every fault, and the files it leaves to SQL."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import reduce
from itertools import groupby
from operator import or_
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from belka.settings import DataSettings, LabelSettings, SystemSettings
from components.parquet_merge.partition import Records
from components.parquet_merge.raw_input import RawInput, open_raw_input
from components.parquet_merge.training_reader import TrainingReader, can_read_directly
from components.parquet_merge.workspace import open_engine

DATA = DataSettings(validation_block_share=0.3, use_extra_data=False)
TARGETS = DATA.targets
# Mostly usable values, so that rows with one fault are frequent.
BLOCKS = ["Ca", "Cb"] * 5 + ["", None]
train_rows = st.fixed_dictionaries(
    {
        "buildingblock1_smiles": st.sampled_from(BLOCKS),
        "buildingblock2_smiles": st.sampled_from(BLOCKS[:2]),
        "buildingblock3_smiles": st.sampled_from(BLOCKS),
        "molecule_smiles": st.sampled_from(["C[Dy]", "!", "é[Dy]", "\x7f"] * 3 + [" C", "\tC", "", None]),
        "protein_name": st.sampled_from([*TARGETS * 4, "BRD", "", None]),
        "binds": st.sampled_from([0, 1] * 5 + [2, 5, -1, None]),
        "has_id": st.sampled_from([True] * 8 + [False]),
    }
)


@contextmanager
def _opened(raw_dir: Path, data: DataSettings = DATA) -> Iterator[tuple[Any, RawInput]]:
    with tempfile.TemporaryDirectory() as folder:
        system = SystemSettings(memory_limit_gb=1.0, n_workers=2)
        with closing(open_engine(system, temp_dir=Path(folder) / "duckdb")) as engine:
            yield engine, open_raw_input(engine, raw_dir, data=data, work_dir=Path(folder))


def _is_direct(raw: RawInput) -> bool:
    return "train" in raw.ruled_by_row and can_read_directly(raw.tables["train"])


def _read(raw: RawInput, data: DataSettings = DATA) -> pa.Table:
    reader = TrainingReader(raw.tables["train"], data, raw.blocks, checks_ids=True)
    return pa.concat_tables([reader.usable_runs(batch) for group in reader.groups() for batch in group])


def _joined(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Runs of neighbouring rows of one molecule, whether some of them are joined already or none."""
    joined = []
    for (smiles, triple), group in groupby(runs, key=lambda run: (run["smiles"], run["triple"])):
        members = list(group)
        bits = reduce(or_, (run["bits"] for run in members))
        n_rows = sum(run.get("n_rows", 1) for run in members)
        joined.append({"smiles": smiles, "triple": triple, "bits": bits, "n_rows": n_rows})
    return joined


def _text_size(table: pa.Table, kind: pa.DataType) -> pa.Table:
    fields = [field.with_type(kind) if pa.types.is_large_string(field.type) else field for field in table.schema]
    return table.cast(pa.schema(fields))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    drawn=st.lists(train_rows, min_size=1, max_size=40),
    is_large=st.booleans(),
    group_rows=st.integers(1, 50),
    threshold=st.sampled_from([None, 1, 3]),
)
def test_reads_exactly_the_rows_of_the_checked_view(
    row: Callable[..., dict[str, Any]],
    write_raw: Callable[..., Path],
    drawn: list[dict[str, Any]],
    is_large: bool,
    group_rows: int,
    threshold: int | None,
) -> None:
    data = DATA.model_copy(update={"binds": LabelSettings(threshold=threshold) if threshold else None})
    rows = [{"id": i if item.pop("has_id") else [-i, None][i % 2], **item} for i, item in enumerate(drawn, start=1)]
    with tempfile.TemporaryDirectory() as folder:
        raw_dir = write_raw(Path(folder) / "raw", rows, [row(0, "abc", "HSA")])
        path = raw_dir / "train.parquet"
        table = pq.read_table(path)
        pq.write_table(table if is_large else _text_size(table, pa.string()), path, row_group_size=group_rows)
        with _opened(raw_dir, data) as (engine, raw):
            assert _is_direct(raw)
            expected = Records(engine, 0, data, {}).rows("train").read_all()
            assert _joined(_read(raw, data).to_pylist()) == _joined(expected.to_pylist())


def test_neighbouring_rows_with_the_same_blocks_and_smiles_are_one_run(
    row: Callable[..., dict[str, Any]], write_raw: Callable[..., Path], tmp_path: Path
) -> None:
    rows = [
        row(0, "abc", "BRD4", 1),
        row(1, "abc", "HSA", 0),
        row(2, "abc", "sEH", 0),
        row(3, "abd", "HSA", 0, molecule_smiles="N[Dy]abc"),  # the same SMILES, other blocks
        row(4, "abd", "HSA", 1, molecule_smiles="C"),  # the same blocks, another SMILES
        row(5, "abd", "XYZ", 1, molecule_smiles="C"),  # unusable, and does not part the rows around it
        row(6, "abd", "sEH", 1, molecule_smiles="C"),
    ]
    with _opened(write_raw(tmp_path / "raw", rows, [row(9, "abc", "HSA")])) as (_, raw):
        runs = _read(raw)
    assert runs["smiles"].to_pylist() == ["N[Dy]abc", "N[Dy]abc", "C"]
    assert runs["n_rows"].to_pylist() == [3, 1, 2]
    assert runs["bits"].to_pylist() == [0b01_01_10, 0b00_01_00, 0b10_10_00]


def _retyped(column: str, kind: pa.DataType) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        table = pq.read_table(path)
        place = table.schema.get_field_index(column)
        pq.write_table(table.set_column(place, column, table[column].cast(kind)), path)

    return change


def _repeat_the_last_id(path: Path) -> None:
    table = pq.read_table(path)
    ids = pa.array([*table["id"].to_pylist()[:-1], table["id"][0].as_py()], pa.int64())
    pq.write_table(table.set_column(0, "id", ids), path)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_retyped("binds", pa.float64()), id="labels are doubles"),
        pytest.param(_retyped("id", pa.uint64()), id="ids may exceed int64"),
        pytest.param(_retyped("molecule_smiles", pa.dictionary(pa.int32(), pa.string())), id="SMILES are a dictionary"),
        pytest.param(_repeat_the_last_id, id="an id occurs twice"),
    ],
)
def test_leaves_other_files_to_sql(
    row: Callable[..., dict[str, Any]], write_raw: Callable[..., Path], tmp_path: Path, change: Callable[[Path], None]
) -> None:
    rows = [row(1, "abc", "BRD4", 0), row(2, "abd", "HSA", 1), row(3, "abe", "HSA", 1)]
    raw_dir = write_raw(tmp_path / "raw", rows, [row(9, "abc", "HSA")])
    with _opened(raw_dir) as (_, raw):
        assert _is_direct(raw)
    change(raw_dir / "train.parquet")
    with _opened(raw_dir) as (_, raw):
        assert not _is_direct(raw)


def test_smiles_that_is_not_utf8_is_an_error(
    row: Callable[..., dict[str, Any]], write_raw: Callable[..., Path], tmp_path: Path
) -> None:
    # The first rows are looked at before all others are read.
    rows = [row(i, "abc", "BRD4", 0, molecule_smiles="CC") for i in range(10_000)]
    raw_dir = write_raw(tmp_path / "raw", rows, [row(10_000, "abc", "HSA")])
    table = pq.read_table(raw_dir / "train.parquet")
    offsets, texts = np.arange(10_001, dtype=np.int32) * 2, bytearray(b"CC" * 10_000)
    texts[-1] = 0xFF
    broken = pa.StringArray.from_buffers(10_000, pa.py_buffer(offsets), pa.py_buffer(bytes(texts)))
    table = table.set_column(4, "molecule_smiles", broken)
    pq.write_table(table, raw_dir / "train.parquet", use_dictionary=False)
    with _opened(raw_dir) as (_, raw), pytest.raises(pa.ArrowInvalid, match="UTF8"):
        _read(raw)


def test_order_keys_follow_the_rows_whatever_the_size_of_a_batch(
    write_raw: Callable[..., Path], tmp_path: Path
) -> None:
    rows = [
        {
            "id": i,
            **{f"buildingblock{position}_smiles": "Ca" for position in (1, 2, 3)},
            "molecule_smiles": f"N[Dy]{i}",
            "protein_name": "HSA",
            "binds": 0,
        }
        for i in range(5000)
    ]
    raw_dir = write_raw(tmp_path / "raw", rows, rows[:1])
    with _opened(raw_dir) as (engine, raw):
        layout = Records(engine, 7, DATA, {"train": raw.blocks.codes(set())})
        whole = _read(raw)
        records = layout.of_runs(whole, "train")
        parts = [layout.of_runs(whole.slice(start, 1), "train") for start in range(0, 5000, 500)]
    assert pc.count_distinct(records["order_key"]).as_py() == len(rows)
    assert records["order_key"].to_pylist()[::500] == [part["order_key"][0].as_py() for part in parts]
