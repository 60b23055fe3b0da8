"""Copies are called by the URI of what they are copies of, and found again by it."""

from pathlib import Path

import pytest

from belka.errors import InputError
from belka.places.names import local_of, named_places, place_of

RUN, RAW = "/cache/1/work/run", "/cache/2/folder/raw"
PLACES = {RUN: "s3://bucket/run", RAW: "gs://other/raw"}


@pytest.mark.parametrize(
    ("here", "there"),
    [
        (RUN, "s3://bucket/run"),
        (f"{RUN}/model/17", "s3://bucket/run/model/17"),
        (f"{RAW}/train.parquet", "gs://other/raw/train.parquet"),
        (f"{RUN}-2", f"{RUN}-2"),
        ("/elsewhere", "/elsewhere"),
    ],
)
def test_a_path_and_its_place_name_each_other(here: str, there: str) -> None:
    with named_places(PLACES):
        assert place_of(Path(here)) == place_of(here) == there
        assert local_of(there) == Path(here)
    assert place_of(here) == here


def test_the_innermost_folder_names_and_blocks_add_up() -> None:
    with named_places({RUN: "s3://bucket/run"}), named_places({f"{RUN}/model": "s3://models/belka"}):
        assert place_of(f"{RUN}/model/1") == "s3://models/belka/1"
        assert place_of(f"{RUN}/logs") == "s3://bucket/run/logs"
        assert local_of("s3://models/belka/1") == Path(f"{RUN}/model/1")


def test_errors_name_places() -> None:
    with pytest.raises(InputError) as told, named_places(PLACES):
        raise InputError("It is empty.", received=f"{RAW}/train.parquet: 0 bytes", action=f"See {RUN}/logs/a.log.")
    assert told.value.received == "gs://other/raw/train.parquet: 0 bytes"
    assert told.value.action == "See s3://bucket/run/logs/a.log."
