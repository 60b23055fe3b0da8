"""A file or folder appears whole or not at all."""

import glob
from pathlib import Path

import pytest

from belka.files import atomic_path, literal_pattern


def _fail_halfway(target: Path) -> None:
    with atomic_path(target) as temporary:
        temporary.write_text("half", encoding="utf-8")
        raise RuntimeError("killed")


def test_file_appears_only_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "a.txt"
    with atomic_path(target) as temporary:
        assert temporary.suffix == ".txt"
        temporary.write_text("whole", encoding="utf-8")
        assert not target.exists()
    assert target.read_text(encoding="utf-8") == "whole"
    assert list(target.parent.iterdir()) == [target]


def test_failure_leaves_the_old_file_and_no_rubbish(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old", encoding="utf-8")
    with pytest.raises(RuntimeError, match="killed"):
        _fail_halfway(target)
    assert target.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_folder_replaces_an_older_folder_whole(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "stale").touch()
    with atomic_path(target) as temporary:
        temporary.mkdir()
        (temporary / "fresh").touch()
    assert [path.name for path in target.iterdir()] == ["fresh"]


def test_the_pattern_of_a_path_matches_it_alone(tmp_path: Path) -> None:
    for name in ("a[b]*", "ab", "abc"):
        (tmp_path / name).touch()
    assert glob.glob(literal_pattern(tmp_path / "a[b]*")) == [str(tmp_path / "a[b]*")]  # noqa: PTH207 - the oracle
