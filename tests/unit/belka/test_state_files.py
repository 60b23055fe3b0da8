"""Small files of state that a kill, a full disk or a bad copy damaged."""

import json
import logging
from pathlib import Path

import pytest

from belka.errors import InputError
from belka.state_files import LARGEST, read_or_set_aside, read_state, write_state

WHOLE = json.dumps({"steps": {"merge": {"state": "done"}}, "rejected": {}}).encode()
DAMAGED = {
    "empty": b"",
    "half": WHOLE[: len(WHOLE) // 2],
    "zeros": bytes(len(WHOLE)),
    "no text": b"\xff\xfe" + WHOLE,
    "a list": b"[1, 2]",
    "deep": b'{"a":' * 100_000,
    "digits": b'{"a": ' + b"9" * 10_000 + b"}",
}


def read(file: Path) -> dict[str, object]:
    return read_state(file, problem="It cannot be read.", expected="an object", action="Restore it.")


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "state.json"
    file.write_bytes(DAMAGED[kind])
    with pytest.raises(InputError, match="It cannot be read") as caught:
        read(file)
    assert str(file) in caught.value.received
    assert caught.value.action == "Restore it."


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_is_set_aside_and_its_new_name_told(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "state.json"
    for number in (1, 2):
        file.write_bytes(DAMAGED[kind])
        with caplog.at_level(logging.WARNING):
            assert read_or_set_aside(file) == {}
        kept = tmp_path / f"state.json.damaged-{number}"
        assert kept.read_bytes() == DAMAGED[kind]
        assert str(kept) in caplog.text
    write_state(file, {"steps": {}})
    assert read_or_set_aside(file) == {"steps": {}}


def test_a_folder_in_the_place_of_a_file_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "state.json"
    (file / "within").mkdir(parents=True)
    with caplog.at_level(logging.WARNING):
        assert read_or_set_aside(file) == {}
    assert (tmp_path / "state.json.damaged-1" / "within").is_dir()
    assert "state.json.damaged-1" in caplog.text


def test_a_missing_file_is_no_state(tmp_path: Path) -> None:
    assert read_or_set_aside(tmp_path / "state.json") == {}
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "state.json")


def test_a_file_far_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "state.json").open("wb") as stream:
        stream.truncate(LARGEST + 1)
    with pytest.raises(InputError, match="bytes, more than"):
        read(tmp_path / "state.json")


def test_what_is_whole_is_read(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_bytes(WHOLE)
    assert read(tmp_path / "state.json") == read_or_set_aside(tmp_path / "state.json") == json.loads(WHOLE)
