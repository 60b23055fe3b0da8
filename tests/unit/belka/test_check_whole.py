"""A flipped byte, a cut, a missing or an added file is found before a folder is read, whatever kind of file it is."""

import os
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from belka import provenance
from belka.digests import file_digest
from belka.errors import DamagedError, InputError
from belka.provenance import Record, check_whole, write_provenance

FILES = ("shard-00000.parquet", "vocab.txt", "belka.json", "variables/variables.index", "train/examples.gz")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An output folder that another process wrote."""
    source = random.Random(1)  # noqa: S311 - any bytes
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(source.randbytes(2_000))
    write_provenance(tmp_path, Record(step="any"))
    monkeypatch.setattr(provenance, "_known_whole", {})
    return tmp_path


def flip(file: Path, place: int) -> None:
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)


def test_a_whole_folder_passes(folder: Path) -> None:
    check_whole(folder)
    check_whole(folder)


@pytest.mark.parametrize("name", FILES)
def test_every_flipped_byte_is_found(folder: Path, name: str) -> None:
    for place in random.Random(2).sample(range(2_000), 20):  # noqa: S311 - any places
        flip(folder / name, place)
        with pytest.raises(DamagedError, match=name) as caught:
            check_whole(folder)
        assert (caught.value.folder, caught.value.exit_code) == (str(folder), 75)
        flip(folder / name, place)
    check_whole(folder)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut": lambda file: os.truncate(file, 1_000),
    "empty": lambda file: os.truncate(file, 0),
    "missing": lambda file: file.unlink(),
    "longer": lambda file: file.write_bytes(file.read_bytes() + b"x"),
    "added beside": lambda file: (file.parent / "another.parquet").touch(),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_other_damage(folder: Path, kind: str) -> None:
    DAMAGE[kind](folder / FILES[0])
    with pytest.raises(DamagedError):
        check_whole(folder)


def test_of_a_model_files_may_lie_beside_it_but_not_change(folder: Path) -> None:
    (folder / "notes.txt").touch()
    check_whole(folder, others=True)
    flip(folder / "vocab.txt", 3)
    with pytest.raises(DamagedError, match=r"vocab\.txt"):
        check_whole(folder, others=True)


def test_one_file_alone(folder: Path) -> None:
    flip(folder / "vocab.txt", 3)
    (folder / "notes.txt").touch()  # nor does it matter what lies beside it
    check_whole(folder, ["belka.json"])
    with pytest.raises(DamagedError, match=r"vocab\.txt"):
        check_whole(folder, ["vocab.txt"])


def test_what_this_process_wrote_is_not_read_again_but_what_was_written_since_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_provenance(folder, Record(step="any"))
    read: list[Path] = []

    def noted(path: Path) -> str:
        read.append(path)
        return file_digest(path)

    monkeypatch.setattr(provenance, "file_digest", noted)
    check_whole(folder)
    assert read == []
    flip(folder / "vocab.txt", 3)
    os.utime(folder / "vocab.txt", ns=(1, 1))
    with pytest.raises(DamagedError):
        check_whole(folder)
    assert read == [folder / "vocab.txt"]


def test_a_folder_of_an_earlier_version_is_not_checked(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").touch()
    check_whole(tmp_path)


def test_every_flipped_byte_of_the_record_is_found_or_changes_nothing(folder: Path) -> None:
    before = provenance.read_provenance(folder)
    file = folder / "provenance.json"
    for place in range(file.stat().st_size):
        flip(file, place)
        with suppress(InputError):
            assert provenance.read_provenance(folder) == before
        flip(file, place)
    assert provenance.read_provenance(folder) == before


def test_a_record_of_an_earlier_version_has_no_seal_and_is_read(folder: Path) -> None:
    before, file = provenance.read_provenance(folder), folder / "provenance.json"
    body = file.read_text(encoding="utf-8").rpartition(",")[0]
    file.write_text(body + "\n}\n", encoding="utf-8")
    assert provenance.read_provenance(folder) == before


@pytest.mark.parametrize("n_damaged", [4, 5, 6])
def test_five_damaged_files_are_named_and_whether_there_are_others(tmp_path: Path, n_damaged: int) -> None:
    names = [f"shard-{i}" for i in range(7)]
    for name in names:
        (tmp_path / name).write_bytes(b"rows")
    write_provenance(tmp_path, Record(step="any"))
    for name in names[:n_damaged]:
        os.truncate(tmp_path / name, 2)
    with pytest.raises(DamagedError) as caught:
        check_whole(tmp_path)
    named = ", ".join(names[: min(n_damaged, 5)])
    assert caught.value.received == f"{tmp_path}: {named}{' and others' if n_damaged == 6 else ''}"
