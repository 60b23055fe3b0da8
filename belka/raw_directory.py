"""Which raw files there are, where, and with which content."""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from belka.contract import EXTRA_FILE
from belka.digests import digests_by_name, file_digest, files_digest
from belka.errors import InputError
from belka.settings import DataSettings

logger = logging.getLogger(__name__)

TRAIN, TEST, EXTRA = "train", "test", "extra"
HOW_TO_GET = (
    "Download the competition's data (kaggle competitions download -c leash-BELKA), or make a small library with "
    "`belka make-demo-data`; then name its folder with --raw-dir."
)
PARQUET: Final = ".parquet"
TEXT_SUFFIXES: Final = tuple(f"{name}{packed}" for name in (".csv", ".tsv") for packed in ("", ".gz", ".zst"))
_MAGIC: Final = b"PAR1"
_SHARD: Final = re.compile(r"(?P<stem>.+)-(?P<place>\d+)-of-(?P<total>\d+)(?P<suffix>\.\w+(?:\.gz|\.zst)?)")


@dataclass(frozen=True)
class RawFile:
    """One raw table: a file, or several that are its parts.

    Attributes:
        source: `train`, `test` or `extra`.
        path: The file, the folder of its parts, or the first of its shards.
        parts: The files in order, where it is not one file.
        ignored: The same table in the other format, which is not read.
    """

    source: str
    path: Path
    parts: tuple[Path, ...] = ()
    ignored: tuple[Path, ...] = field(default=(), compare=False)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that are read, in order."""
        return self.parts or (self.path,)

    @property
    def is_text(self) -> bool:
        """Whether it is CSV or its like (otherwise parquet)."""
        return not _is_parquet(self.files[0])

    @property
    def n_bytes(self) -> int:
        """Size of all files."""
        return sum(path.stat().st_size for path in self.files)


def locate_raw_files(raw_dir: Path, data: DataSettings, *, use_extra_data: bool) -> tuple[RawFile, ...]:
    """Find the raw files of a folder.

    A table is one file, shards `NAME-00000-of-00042.parquet`, or a folder `NAME` or `NAME.parquet` of files, in
    subfolders `column=value` too. Parquet counts where there is text as well.

    Args:
        raw_dir: Folder with train and test, as parquet or as text, and maybe DNA_Labeled_Data.csv.
        data: Own names of the two.
        use_extra_data: Whether DNA_Labeled_Data.csv is wanted, where it exists.

    Returns:
        The training table; the test table where there is one; and the extra file if it is wanted and there.

    Raises:
        InputError: If the folder or a file is missing or empty, a parquet file is truncated, a shard is missing, or a
            table is there twice in one format.
    """
    if not raw_dir.is_dir():
        raise InputError(
            "The folder of raw files does not exist.",
            received=str(raw_dir.absolute()),
            expected="a folder with train.parquet (or .csv) and test.parquet (or .csv)",
            action=HOW_TO_GET,
        )
    train, test = _locate(raw_dir, TRAIN, data.train_file), _locate(raw_dir, TEST, data.test_file)
    if train is None:
        raise _missing(raw_dir, TRAIN, data.train_file)
    if test is None and data.test_file is not None:
        raise _missing(raw_dir, TEST, data.test_file)
    found = [file for file in (train, test) if file is not None]
    extra = raw_dir / EXTRA_FILE
    if use_extra_data and extra.is_file():
        found.append(RawFile(EXTRA, extra))
    for file in found:
        for path in file.ignored:
            logger.warning("%s is read, and %s is not: parquet counts where both are there.", file.path, path)
        for path in file.files:
            _check_readable(file, path)
    return tuple(found)


def raw_digest(raw_dir: Path, data: DataSettings) -> str:
    """Digest the content of the raw files: the cache key of everything made from them.

    The whole content is hashed, not samples of it: SHA-256 does about 1 GB/s, seconds for the full library, and a
    corrected label anywhere in the file must never be answered from the cache.

    Args:
        raw_dir: Folder of the raw files.
        data: Own names of the files.

    Returns:
        `name=SHA-256` of every table, separated by spaces: it depends on names and content only, not on place or date.
        That of a table of several parts is the digest of their names and digests.

    Raises:
        InputError: As `locate_raw_files`.
    """
    files = locate_raw_files(raw_dir, data, use_extra_data=True)
    return " ".join(f"{quote(file.path.name)}={_digest(file)}" for file in files)


def named_content(raw_dir: Path, data: DataSettings, name: str) -> str:
    """The digest of the raw files: `name` where it is one, else, where the content has another name, read from them."""
    return name if digests_by_name(name) else raw_digest(raw_dir, data)


def _digest(file: RawFile) -> str:
    if not file.parts:
        return file_digest(file.path)
    folder = file.path if file.path.is_dir() else file.path.parent
    return files_digest({str(path.relative_to(folder)): file_digest(path) for path in file.parts})


def _locate(raw_dir: Path, source: str, own_name: str | None) -> RawFile | None:
    """The table of a source; None where there is none."""
    name = own_name or source
    if own_name is not None and (raw_dir / name).is_file():
        return RawFile(source, raw_dir / name)
    parquet: list[RawFile] = []
    text: list[RawFile] = []
    for path, parts in _candidates(raw_dir, name):
        for found, wanted in ((parquet, True), (text, False)):
            if of_format := [part for part in parts if _is_parquet(part) is wanted]:
                found.append(RawFile(source, path, () if of_format == [path] else tuple(of_format)))
    chosen = parquet or text
    if len(chosen) > 1:
        raise InputError(
            f"The raw {source} table is there {len(chosen)} times, and nothing says which one counts.",
            received=f"{', '.join(file.path.name for file in chosen)} in {raw_dir.absolute()}",
            expected="one of them",
            action=f"Move the others away, or name the one that counts with --set data.{source}_file=NAME.",
        )
    if not chosen:
        return None
    ignored = tuple(file.path for file in text) if parquet else ()
    return RawFile(source, chosen[0].path, chosen[0].parts, ignored)


def _candidates(raw_dir: Path, name: str) -> Iterator[tuple[Path, list[Path]]]:
    """Files and folders that may be the table of a name, each with the files that it consists of."""
    shards: dict[tuple[str, str], dict[int, Path]] = {}
    for path in sorted(raw_dir.iterdir()):
        suffix = path.name[len(name) :] if path.name.startswith(name) else None
        if path.is_dir() and suffix in ("", PARQUET, *TEXT_SUFFIXES):
            yield path, sorted(_parts(path))
        elif path.is_file() and suffix in (PARQUET, *TEXT_SUFFIXES):
            yield path, [path]
        elif (shard := _SHARD.fullmatch(path.name)) and shard["stem"] == name and _is_table(path):
            shards.setdefault((shard["total"], shard["suffix"]), {})[int(shard["place"])] = path
    for (total, suffix), by_place in shards.items():
        missing = sorted(set(range(int(total))) - set(by_place))
        if missing:
            raise InputError(
                f"Some shards of {name}{suffix} are missing.",
                received=f"{len(by_place):,} of {int(total):,} in {raw_dir.absolute()}; the first that is not there is "
                f"number {missing[0]}",
                expected=f"{name}-{0:0{len(total)}d}-of-{total}{suffix} and all that follow",
                action="Fetch the missing shards.",
            )
        yield by_place[0], [by_place[place] for place in sorted(by_place)]


def _parts(folder: Path) -> Iterator[Path]:
    """The files of a folder and of its subfolders; what other programs put beside them is left out."""
    for path in folder.iterdir():
        if path.name.startswith((".", "_")):
            continue
        if path.is_dir():
            yield from _parts(path)
        elif _is_table(path):
            yield path


def _is_parquet(path: Path) -> bool:
    """By its name, or by its first bytes where that tells nothing."""
    if _is_table(path):
        return path.name.endswith(PARQUET)
    with path.open("rb") as stream:
        return stream.read(len(_MAGIC)) == _MAGIC


def _is_table(path: Path) -> bool:
    return path.name.endswith((PARQUET, *TEXT_SUFFIXES))


def _missing(raw_dir: Path, source: str, own_name: str | None) -> InputError:
    """Only who has nothing is told where to get the competition's data."""
    others = sorted(path.name for path in raw_dir.iterdir() if not path.name.startswith("."))
    name = own_name or source
    return InputError(
        f"The raw {source} file is missing.",
        received=f"neither {name}{PARQUET} nor {name}.csv in {raw_dir.absolute()}"
        + (f", which holds {', '.join(others[:10])}{', ...' if len(others) > 10 else ''}" if others else ""),  # noqa: PLR2004 - a line of names
        expected=f"one of the two in {raw_dir.absolute()}",
        action=f"Name the file with --set data.{source}_file=NAME, or another folder with --raw-dir."
        if others
        else HOW_TO_GET,
    )


def _check_readable(file: RawFile, path: Path) -> None:
    if path.stat().st_size == 0:
        raise InputError(
            f"The raw {file.source} file is empty.",
            received=f"{path}: 0 bytes",
            expected="a file with rows",
            action="Fetch the file again.",
        )
    if file.is_text:
        return
    try:
        pq.read_schema(path)
    except UnicodeDecodeError as error:
        raise InputError(
            f"A column of the raw {file.source} file has a name that is no text in UTF-8.",
            received=f"{path}: {error.object[:100]!r}",
            expected="names that are text",
            action="Fetch the file again, or write it with other names.",
        ) from error
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"The raw {file.source} file is not a whole parquet file; it may be truncated.",
            received=f"{path}: {str(error).splitlines()[0]}",
            expected="a parquet file with its footer",
            action="Fetch the file again.",
        ) from error
