"""A file or folder appears whole or not at all."""

import glob
import os
import pwd
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from belka.errors import InputError
from belka.files import (
    abandoned,
    atomic_path,
    check_file_place,
    literal_pattern,
    own_temporary_folder,
    remove_half_written,
)


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


def test_a_file_never_takes_the_place_of_a_folder(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    target.mkdir()
    (target / "precious").touch()
    with pytest.raises(IsADirectoryError) as caught, atomic_path(target) as temporary:
        temporary.touch()
    assert str(target) in str(caught.value)
    assert [path.name for path in target.iterdir()] == ["precious"]
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(IsADirectoryError):
        check_file_place(target)


def test_a_link_to_a_folder_is_replaced_and_the_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    target = tmp_path / "link"
    target.symlink_to("precious")
    with atomic_path(target) as temporary:
        temporary.mkdir()
    assert not target.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "precious"]


@pytest.mark.parametrize("linked", [False, True])
def test_a_device_or_pipe_is_never_replaced_by_a_file(tmp_path: Path, linked: bool) -> None:
    pipe = target = tmp_path / "pipe"
    os.mkfifo(pipe)
    if linked:  # as /dev/stdout is
        target = tmp_path / "link"
        target.symlink_to(pipe)
    with pytest.raises(InputError, match="pipe"), atomic_path(target) as temporary:
        temporary.touch()
    with pytest.raises(InputError, match="pipe"):
        check_file_place(target)
    assert pipe.is_fifo()
    assert target.is_symlink() == linked


def test_a_place_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    check_file_place(tmp_path / "new" / "deep" / "table.csv")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError) as caught:
        check_file_place(tmp_path / "file" / "deep" / "table.csv")
    assert caught.value.filename == str(tmp_path / "file")


def test_a_folder_without_the_right_to_write_is_refused_before_the_work() -> None:
    with tempfile.TemporaryDirectory() as folder:  # not pytest's, which nobody else may enter
        Path(folder).chmod(0o555)
        own = os.geteuid()
        try:
            if own == 0:  # root may write everywhere
                os.seteuid(pwd.getpwnam("nobody").pw_uid)
            with pytest.raises(PermissionError) as caught:
                check_file_place(Path(folder) / "new" / "table.csv")
        finally:
            os.seteuid(own)
    assert caught.value.filename == folder


KILLED = """
import os, sys
from pathlib import Path
from belka.files import atomic_path
contexts = [atomic_path(Path(sys.argv[1]) / name) for name in ("a.txt", "folder")]
for name, context in zip(("a.txt", "folder"), contexts):
    temporary = context.__enter__()
    temporary.mkdir() if name == "folder" else temporary.write_text("half")
    (temporary / "half").touch() if name == "folder" else None
os._exit(9)
"""


def test_the_next_writer_removes_what_a_kill_left_and_nothing_else(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False).returncode == 9
    assert len(list(tmp_path.iterdir())) == len(abandoned(tmp_path)) == 2
    others = tmp_path / f".tmp-0123456789ab-1-{'0' * 12}-a.txt"
    others.touch()
    with atomic_path(tmp_path / "b.txt") as mine:
        mine.touch()
        assert abandoned(tmp_path) == []
        assert set(tmp_path.iterdir()) == {mine, others}
    assert set(tmp_path.iterdir()) == {tmp_path / "b.txt", others}


# A library that leaves a folder, and one of a process that was started.
LEFT = """
import os, subprocess, sys, tempfile
from belka.files import own_temporary_folder
with own_temporary_folder():
    tempfile.mkdtemp(prefix="beam-")
    subprocess.run([sys.executable, "-c", "import tempfile; tempfile.mkdtemp(prefix='child-')"], check=True)
    if len(sys.argv) > 1:
        os.kill(os.getpid(), int(sys.argv[1]))
"""


def test_what_libraries_leave_in_the_folder_for_temporary_files_goes(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    killed = subprocess.run([sys.executable, "-c", LEFT, str(int(signal.SIGKILL))], check=False, env=environment)
    assert killed.returncode == -signal.SIGKILL
    assert sorted(path.name[:5] for path in tmp_path.glob("*/*")) == ["beam-", "child"]
    others = tmp_path / "of-another-program"
    others.touch()
    subprocess.run([sys.executable, "-c", LEFT], check=True, env=environment)
    assert list(tmp_path.iterdir()) == [others]


def test_a_process_that_is_not_waited_for_leaves_no_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with own_temporary_folder():
        assert Path(tempfile.mkdtemp()).parent.parent == tmp_path
        remove_half_written()
        assert list(tmp_path.iterdir()) == []
    assert tempfile.gettempdir() == os.environ["TMPDIR"] == str(tmp_path)


def test_a_folder_for_temporary_files_that_cannot_be_written_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with own_temporary_folder():
        assert tempfile.gettempdir() == str(tmp_path / "absent")


def test_the_pattern_of_a_path_matches_it_alone(tmp_path: Path) -> None:
    for name in ("a[b]*", "ab", "abc"):
        (tmp_path / name).touch()
    assert glob.glob(literal_pattern(tmp_path / "a[b]*")) == [str(tmp_path / "a[b]*")]  # noqa: PTH207 - the oracle
