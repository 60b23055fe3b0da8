"""Serialized Examples are, byte by byte, those of protobuf itself."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from belka.wire_format import bytes_feature, float_feature, int64_feature, optional_bytes_feature, serialize_examples

# Around every border between lengths of a varint, and both ends of int64.
BORDERS = [0, 1, *(2**bits + step for bits in range(7, 63, 7) for step in (-1, 0)), 2**63 - 1, -1, -(2**63)]
INT64 = st.sampled_from(BORDERS) | st.integers(-(2**63), 2**63 - 1)


def by_protobuf(lists: dict[str, list[int]], values: dict[str, bytes]) -> bytes:
    features = {
        **{name: tf.train.Feature(int64_list=tf.train.Int64List(value=value)) for name, value in lists.items()},
        **{name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value])) for name, value in values.items()},
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    serialized: bytes = example.SerializeToString(deterministic=True)
    return serialized


def by_us(rows: list[list[int]], other: list[list[int]], values: list[bytes]) -> list[bytes]:
    def feature(lists: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
        sizes = np.array([len(row) for row in lists], np.int64)
        flat = np.array([value for row in lists for value in row], np.int64)
        return flat, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    width = len(values[0]) if values else 0
    packed = np.frombuffer(b"".join(values), np.uint8).reshape(len(values), width)
    return serialize_examples(
        {"z": int64_feature(*feature(rows)), "bits": bytes_feature(packed), "a": int64_feature(*feature(other))},
        len(rows),
    )


@given(
    st.integers(1, 200).flatmap(
        lambda width: st.lists(
            st.tuples(
                st.lists(INT64, min_size=1, max_size=8) | st.lists(st.integers(0, 127), min_size=120, max_size=140),
                st.lists(INT64, min_size=3, max_size=3),
                st.binary(min_size=width, max_size=width),
            ),
            max_size=6,
        )
    )
)
@settings(max_examples=200, deadline=None)
def test_any_values_give_the_bytes_of_protobuf(records: list[tuple[list[int], list[int], bytes]]) -> None:
    rows, other, values = ([record[part] for record in records] for part in range(3))
    expected = [by_protobuf({"z": row, "a": fixed}, {"bits": value}) for row, fixed, value in records]
    assert by_us(rows, other, values) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("rows", [[[]], [[], []], [[5], []], [[], [300]]], ids=str)
def test_empty_lists_read_as_empty(rows: list[list[int]]) -> None:
    values = [b"x"] * len(rows)
    read = [tf.train.Example.FromString(record) for record in by_us(rows, rows, values)]
    assert [list(example.features.feature["z"].int64_list.value) for example in read] == rows
    assert [example.SerializeToString(deterministic=True) for example in read] == [
        by_protobuf({"z": row, "a": row}, {"bits": b"x"}) for row in rows
    ]


@given(st.lists(st.booleans(), max_size=6), st.integers(1, 300))
def test_a_value_that_is_empty_in_some_records_gives_the_bytes_of_protobuf(present: list[bool], width: int) -> None:
    values = np.arange(len(present) * width, dtype=np.uint8).reshape(-1, width)
    features = {"blocks": optional_bytes_feature(values, np.array(present, np.bool_))}
    expected = [
        by_protobuf({}, {"blocks": row.tobytes() if has else b""}) for row, has in zip(values, present, strict=True)
    ]
    assert serialize_examples(features, len(present)) == expected


def test_no_records_are_no_bytes() -> None:
    assert by_us([], [], []) == []


@given(
    st.integers(1, 5).flatmap(
        lambda width: st.lists(st.lists(st.floats(width=32), min_size=width, max_size=width), min_size=1)
    )
)
@settings(max_examples=50, deadline=None)
def test_any_numbers_give_the_bytes_of_protobuf(rows: list[list[float]]) -> None:
    def expected(row: list[float]) -> bytes:
        feature = {"values": tf.train.Feature(float_list=tf.train.FloatList(value=row))}
        serialized: bytes = tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString(
            deterministic=True
        )
        return serialized

    values = np.array(rows, np.float32).reshape(len(rows), -1)
    assert serialize_examples({"values": float_feature(values)}, len(rows)) == list(map(expected, rows))
