import csv
import gzip
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from belka import contract as dc
from belka.errors import BelkaError, InputError
from belka.settings import DataSettings
from components.submission_writer.write import SubmissionSummary, write_submission

OTHERS = (*dc.RAW_BLOCKS, dc.RAW_SMILES, dc.RAW_PROTEIN)
TARGETS = ("BRD4", "HSA", "sEH")


def example(ids: Sequence[int], probabilities: Sequence[float]) -> bytes:
    features = {
        dc.FEATURE_IDS: tf.train.Feature(int64_list=tf.train.Int64List(value=ids)),
        dc.OUTPUT_PROBABILITIES: tf.train.Feature(float_list=tf.train.FloatList(value=probabilities)),
        dc.FEATURE_MOLECULE_ID: tf.train.Feature(int64_list=tf.train.Int64List(value=[1])),
    }
    serialized: bytes = tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
    return serialized


class Case:
    """Inputs of one submission in a folder."""

    def __init__(self, folder: Path) -> None:
        self.predictions = folder / "predictions" / "Split-test"
        self.raw = folder / "raw"
        self.output = folder / "out" / "submission.csv"
        self.rejected = folder / "rejected.parquet"
        self.predictions.mkdir(parents=True)
        self.raw.mkdir()
        self.reject([])
        self.aliases = folder / "test_aliases.parquet"
        self.alias([])
        pq.write_table(pa.table({dc.RAW_ID: [0]}), self.raw / "train.parquet")

    def predict(self, *pairs: tuple[Sequence[int], Sequence[float]], name: str = "examples-00000-of-00001.gz") -> None:
        options = tf.io.TFRecordOptions(compression_type="GZIP" if name.endswith(".gz") else "")
        with tf.io.TFRecordWriter(str(self.predictions / name), options) as writer:
            for ids, probabilities in pairs:
                writer.write(example(ids, probabilities))

    def test_ids(self, ids: Sequence[int]) -> None:
        pq.write_table(
            pa.table({dc.RAW_ID: pa.array(ids, pa.int64()), **dict.fromkeys(OTHERS, ["x"] * len(ids))}),
            self.raw / "test.parquet",
        )

    def reject(self, rows: Sequence[tuple[str, int | None]]) -> None:
        columns: dict[str, pa.Array] = {name: pa.array([None] * len(rows), pa.string()) for name in dc.REJECTED_COLUMNS}
        columns["source"] = pa.array([source for source, _ in rows], pa.string())
        columns["id"] = pa.array([row_id for _, row_id in rows], pa.int64())
        pq.write_table(pa.table(columns), self.rejected)

    def alias(self, pairs: Sequence[tuple[int, int]]) -> None:
        columns = {name: [pair[i] for pair in pairs] for i, name in enumerate(("id", "carrier"))}
        pq.write_table(pa.table(columns, schema=pa.schema([(name, pa.int64()) for name in columns])), self.aliases)

    def write(self, *, rejected_prediction: float = 0.0) -> SubmissionSummary:
        return write_submission(
            self.predictions.parent,
            self.raw,
            [self.rejected],
            self.output,
            aliases=self.aliases,
            data=DataSettings(targets=tuple(TARGETS), rejected_prediction=rejected_prediction),
        )


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_ids_ascend_absent_pairs_are_left_out_and_digits_round_trip(case: Case) -> None:
    case.predict(([31, -1, 7], [0.25, 0.9, 0.1]), name="examples-00001-of-00002.gz")
    case.predict(([-1, 12, -1], [0.9, 1e-8, 0.9]), name="examples-00000-of-00002.gz")
    case.test_ids([31, 12, 7])
    summary = case.write()
    assert case.output.read_text() == "id,binds\n7,0.1\n12,1e-08\n31,0.25\n"
    assert summary == SubmissionSummary(
        rows=3, predicted=3, rejected=0, rejected_prediction=0.0, repeated_ids=0, unreadable_ids=0
    )
    assert [path.name for path in case.output.parent.iterdir()] == ["submission.csv"]


def test_rejected_test_rows_get_the_fallback_and_a_warning(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    case.predict(([1, -1, -1], [0.5, 0.5, 0.5]))
    case.test_ids([1, 2])
    case.reject([("test", 2), ("test", None), ("train", 1)])
    with caplog.at_level(logging.WARNING):
        summary = case.write(rejected_prediction=0.125)
    assert case.output.read_text() == "id,binds\n1,0.5\n2,0.125\n"
    assert (summary.predicted, summary.rejected) == (1, 1)
    assert "1 of 2 submission rows were rejected" in caplog.text


def test_a_rejected_training_row_does_not_excuse_a_missing_prediction(case: Case) -> None:
    case.predict(([1, -1, -1], [0.5, 0.5, 0.5]))
    case.test_ids([1, 2])
    case.reject([("train", 2)])
    with pytest.raises(BelkaError, match="have no prediction"):
        case.write()


def test_repeated_raw_id_appears_once_with_its_prediction(case: Case) -> None:
    case.predict(([1, 2, -1], [0.5, 0.75, 0.5]))
    case.test_ids([1, 2, 2])
    case.reject([("test", 2)])
    summary = case.write()
    assert case.output.read_text() == "id,binds\n1,0.5\n2,0.75\n"
    assert (summary.rows, summary.repeated_ids, summary.rejected) == (2, 1, 0)


def write_csv(case: Case, ids: Sequence[str]) -> None:
    lines = [f"{i},C,HSA\n" for i in ids]
    (case.raw / "test.csv").write_text(f"{dc.RAW_ID},{dc.RAW_SMILES},{dc.RAW_PROTEIN}\n{''.join(lines)}")


def test_a_row_without_an_id_is_told(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    case.predict(([4, 5, -1], [0.5, 1.0, 0.5]))
    write_csv(case, ["5", "", "-5", "4"])
    with caplog.at_level(logging.WARNING):
        summary = case.write()
    assert case.output.read_text() == "id,binds\n4,0.5\n5,1.0\n"
    assert summary.unreadable_ids == 2
    assert "2 rows of the raw test file have no id" in caplog.text


def test_ids_that_are_no_plain_numbers_are_written_as_given_in_the_order_of_the_file(case: Case) -> None:
    ids = ["000000901", "1.0", "2.90001E+08", "CMPD-7", "1.0", '"a,b"', "9"]
    case.predict(([0, 1, 2], [0.125, 0.25, 0.375]), ([3, 5, 6], [0.5, 0.625, 0.75]))
    write_csv(case, ids)
    summary = case.write()
    assert case.output.read_text().splitlines() == [
        "id,binds",
        "000000901,0.125",
        "1.0,0.25",
        "2.90001E+08,0.375",
        "CMPD-7,0.5",
        '"a,b",0.625',
        "9,0.75",
    ]
    assert (summary.rows, summary.repeated_ids) == (6, 1)


def test_rows_that_ask_for_all_targets_get_a_column_for_each(case: Case) -> None:
    case.predict(([3, 4, 5], [0.25, 0.5, 0.75]), ([0, 1, 2], [0.125, 0.25, 0.375]))
    case.reject([("test", 6), ("test", 7), ("test", 8)])
    (case.raw / "test.csv").write_text(f"{dc.RAW_ID};{dc.RAW_SMILES}\n20;C\n7;CC\n10;X\n")
    summary = case.write(rejected_prediction=0.5)
    assert case.output.read_text() == "id,BRD4,HSA,sEH\n7,0.25,0.5,0.75\n10,0.5,0.5,0.5\n20,0.125,0.25,0.375\n"
    assert (summary.rows, summary.predicted, summary.rejected) == (9, 6, 3)


def test_without_a_test_file_there_is_no_submission(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        summary = case.write()
    assert (summary.rows, summary.predicted, summary.rejected) == (0, 0, 0)
    assert not case.output.exists()
    assert f"There is no raw test file in {case.raw}, and so no submission." in caplog.text


@pytest.mark.parametrize(
    ("pairs", "raw", "message"),
    [
        ([([1, 2, -1], [0.5, 0.5, 0.5])], [1, 2, 3], r"have no prediction(.|\n)*received: 1: id 3\n"),
        ([([1, 2, 9], [0.5, 0.5, 0.5])], [1, 2], r"does not hold(.|\n)*received: 1: id 9\n"),
        ([([1, 2, 2], [0.5, 0.5, 0.5])], [1, 2], r"more than one prediction(.|\n)*id 2 times 2\n"),
        ([([1, -1, -1], [np.nan, 0.5, 0.5])], [1], r"not probabilities(.|\n)*id 1 binds nan"),
        ([([1, -1, -1], [np.inf, 0.5, 0.5])], [1], r"not probabilities(.|\n)*id 1 binds inf"),
        ([([1, 2, -1], [-0.25, 1.5, 0.5])], [1, 2], r"received: 2: id 1 binds -0.25, id 2 binds 1.5\n"),
        ([([i, -1, -1], [0.5] * 3) for i in range(1, 8)], [7], r"received: 6: id 1, id 2, id 3, id 4, id 5, \.\.\.\n"),
    ],
)
def test_mismatch_names_count_and_examples(
    case: Case, pairs: list[tuple[list[int], list[float]]], raw: list[int], message: str
) -> None:
    case.predict(*pairs)
    case.test_ids(raw)
    with pytest.raises(BelkaError, match=message):
        case.write()
    assert not case.output.exists()


def test_failed_write_keeps_the_earlier_submission(case: Case) -> None:
    case.predict(([1, -1, -1], [2.0, 0.5, 0.5]))
    case.test_ids([1])
    case.output.parent.mkdir()
    case.output.write_text("earlier")
    with pytest.raises(BelkaError, match="not probabilities"):
        case.write()
    assert case.output.read_text() == "earlier"


def test_a_value_of_an_absent_pair_is_not_judged(case: Case) -> None:
    case.predict(([1, -1, -1], [0.5, np.nan, 7.0]))
    case.test_ids([1])
    assert case.write().rows == 1


def test_no_predictions(case: Case) -> None:
    case.test_ids([1])
    with pytest.raises(BelkaError, match=r"There are no predictions(.|\n)*examples\*"):
        case.write()


def test_truncated_predictions_name_the_file(case: Case) -> None:
    case.predict(*[([i, -1, -1], list(np.random.default_rng(i).random(3))) for i in range(500)])
    file = case.predictions / "examples-00000-of-00001.gz"
    file.write_bytes(file.read_bytes()[:3_000])
    case.test_ids(list(range(500)))
    with pytest.raises(BelkaError, match=r"cannot be read(.|\n)*examples-00000-of-00001.gz"):
        case.write()


def test_other_number_of_targets(case: Case) -> None:
    case.predict(([1, 2], [0.5, 0.5]))
    case.test_ids([1, 2])
    with pytest.raises(BelkaError, match="3 values each"):
        case.write()


def test_raw_file_without_ids_column_or_damaged(case: Case) -> None:
    case.predict(([1, -1, -1], [0.5, 0.5, 0.5]))
    (case.raw / "test.csv").write_text("ident\n1\n")
    with pytest.raises(InputError, match="The raw test file lacks the column id"):
        case.write()
    (case.raw / "test.csv").unlink()
    (case.raw / "test.parquet").write_bytes(b"PAR1 cut off")
    with pytest.raises(InputError, match=r"not a whole parquet file(.|\n)*test.parquet"):
        case.write()


def test_empty_raw_file(case: Case) -> None:
    case.predict(([1, -1, -1], [0.5, 0.5, 0.5]))
    case.test_ids([])
    with pytest.raises(InputError, match="holds no rows"):
        case.write()


def test_ids_of_one_pair_share_its_prediction_or_its_refusal(case: Case) -> None:
    case.predict(([1, 2, -1], [0.5, 0.75, 0.5]))
    case.test_ids([9, 1, 2, 8, 3, 7])
    case.reject([("test", 3)])
    case.alias([(8, 1), (9, 1), (7, 3)])
    summary = case.write(rejected_prediction=0.125)
    assert case.output.read_text() == "id,binds\n1,0.5\n2,0.75\n3,0.125\n7,0.125\n8,0.5\n9,0.5\n"
    assert (summary.predicted, summary.rejected) == (4, 2)


@pytest.mark.parametrize("name", ["rejected", "aliases"])
def test_a_missing_table_of_an_earlier_step(case: Case, name: str) -> None:
    case.predict(([1, -1, -1], [0.5, 0.5, 0.5]))
    case.test_ids([1])
    getattr(case, name).unlink()
    with pytest.raises(BelkaError, match=rf"table of an earlier step cannot be read(.|\n)*{name}.parquet"):
        case.write()


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_submission_is_the_raw_ids_with_their_predictions(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    case = Case(tmp_path_factory.mktemp("case"))
    ids = data.draw(st.lists(st.integers(0, 2**62), unique=True, min_size=1, max_size=30))
    lost = data.draw(st.sets(st.sampled_from(ids)))
    kept = [i for i in ids if i not in lost]
    probability = {i: np.float32(data.draw(st.floats(0, 1, width=32))) for i in kept}
    rows = [kept[i : i + 3] for i in range(0, len(kept), 3)]
    case.predict(
        *[
            ([*row, *[-1] * (3 - len(row))], [*[float(probability[i]) for i in row], *[0.5] * (3 - len(row))])
            for row in rows
        ]
    )
    case.test_ids(ids)
    case.reject([("test", i) for i in lost])
    case.write(rejected_prediction=0.5)
    with case.output.open() as stream:
        written = list(csv.DictReader(stream))
    assert [int(row["id"]) for row in written] == sorted(ids)
    assert [np.float32(row["binds"]) for row in written] == [probability.get(i, np.float32(0.5)) for i in sorted(ids)]


def test_folders_that_look_like_patterns_are_folders(tmp_path: Path) -> None:
    case, decoy = Case(tmp_path / "a[b]?*c d"), Case(tmp_path / "abxc d")
    for folder, value in ((case, 0.5), (decoy, 0.25)):
        folder.predict(([1, -1, -1], [value] * 3))
        folder.test_ids([1] if folder is case else [1, 2, 3])
    decoy.reject([("test", 1)])
    case.write()
    assert case.output.read_text() == "id,binds\n1,0.5\n"


def test_gzip_and_plain_records_are_told_apart(case: Case) -> None:
    case.predict(([1, -1, -1], [0.5, 0.5, 0.5]), name="examples-00000-of-00002")
    case.predict(([2, -1, -1], [0.5, 0.5, 0.5]), name="examples-00001-of-00002.gz")
    assert gzip.decompress((case.predictions / "examples-00001-of-00002.gz").read_bytes())
    case.test_ids([1, 2])
    assert case.write().predicted == 2
