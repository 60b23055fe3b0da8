"""Temporary folders of merges, and how much of what they hold is left as it is."""

import shutil
from pathlib import Path

import psutil

from components.parquet_merge import workspace


def test_what_a_killed_merge_left_is_removed_but_not_what_a_running_one_uses(tmp_path: Path) -> None:
    abandoned = tmp_path / f"{workspace.PREFIX}abandoned"
    abandoned.mkdir()
    (abandoned / workspace.LOCK_FILE).touch()
    with workspace.work_folder(tmp_path) as first:
        assert not abandoned.exists()
        with workspace.work_folder(tmp_path) as second:
            assert first.is_dir()
            assert second.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_temporary_files_stay_plain_only_where_memory_and_disk_have_room_to_spare(tmp_path: Path) -> None:
    plain = workspace.plain_spill_bytes(tmp_path, needed=0, memory_limit_gb=0.0)
    free_disk = shutil.disk_usage(tmp_path).free
    assert 0 < plain <= min(psutil.virtual_memory().total / 10, free_disk * 1.01)
    assert workspace.plain_spill_bytes(tmp_path, needed=10**18, memory_limit_gb=0.0) == 0
    assert workspace.plain_spill_bytes(tmp_path, needed=0, memory_limit_gb=1e6) == 0
