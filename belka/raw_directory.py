"""Which raw files there are, where, and with which content."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from belka.contract import EXTRA_FILE
from belka.errors import InputError
from belka.provenance import digests_by_name, file_digest

TRAIN, TEST, EXTRA = "train", "test", "extra"
HOW_TO_GET = (
    "Download the competition's data (kaggle competitions download -c leash-BELKA), or make a small library with "
    "`belka make-demo-data`; then name its folder with --raw-dir."
)


@dataclass(frozen=True)
class RawFile:
    """One raw file.

    Attributes:
        source: `train`, `test` or `extra`.
        path: Where it is; the suffix tells the format.
    """

    source: str
    path: Path

    @property
    def is_csv(self) -> bool:
        """Whether the file is CSV (otherwise parquet)."""
        return self.path.suffix == ".csv"


def locate_raw_files(raw_dir: Path, *, use_extra_data: bool) -> tuple[RawFile, ...]:
    """Find the raw files of a folder.

    Args:
        raw_dir: Folder with train.parquet or train.csv, test.parquet or test.csv, and maybe DNA_Labeled_Data.csv.
        use_extra_data: Whether DNA_Labeled_Data.csv is wanted, where it exists.

    Returns:
        The train file, the test file, and the extra file if it is wanted and there.

    Raises:
        InputError: If the folder or a file is missing or empty, a parquet file is truncated, or a file is there in both
            formats.
    """
    if not raw_dir.is_dir():
        raise InputError(
            "The folder of raw files does not exist.",
            received=str(raw_dir.absolute()),
            expected="a folder with train.parquet (or .csv) and test.parquet (or .csv)",
            action=HOW_TO_GET,
        )
    files = [RawFile(source, _locate_one(raw_dir, source)) for source in (TRAIN, TEST)]
    extra = raw_dir / EXTRA_FILE
    if use_extra_data and extra.is_file():
        files.append(RawFile(EXTRA, extra))
    for file in files:
        _check_readable(file)
    return tuple(files)


def raw_digest(raw_dir: Path) -> str:
    """Digest the content of the raw files: the cache key of everything made from them.

    The whole content is hashed, not samples of it: SHA-256 does about 1 GB/s, seconds for the full library, and a
    corrected label anywhere in the file must never be answered from the cache.

    Args:
        raw_dir: Folder of the raw files.

    Returns:
        `name=SHA-256` of every file, separated by spaces: it depends on names and content only, not on place or date.

    Raises:
        InputError: As `locate_raw_files`.
    """
    files = locate_raw_files(raw_dir, use_extra_data=True)
    return " ".join(f"{file.path.name}={file_digest(file.path)}" for file in files)


def named_content(raw_dir: Path, name: str) -> str:
    """The digest of the raw files: `name` where it is one, else, where the content has another name, read from them."""
    return name if digests_by_name(name) else raw_digest(raw_dir)


def _locate_one(raw_dir: Path, source: str) -> Path:
    candidates = [raw_dir / f"{source}.parquet", raw_dir / f"{source}.csv"]
    found = [path for path in candidates if path.is_file()]
    if not found:
        raise InputError(
            f"The raw {source} file is missing.",
            received=f"neither {candidates[0].name} nor {candidates[1].name} in {raw_dir.absolute()}",
            expected=f"one of the two in {raw_dir.absolute()}",
            action=HOW_TO_GET,
        )
    if len(found) > 1:
        raise InputError(
            f"The raw {source} file is there twice, and nothing says which one counts.",
            received=f"{candidates[0].name} and {candidates[1].name} in {raw_dir.absolute()}",
            expected="one of the two",
            action="Move one of them away.",
        )
    return found[0]


def _check_readable(file: RawFile) -> None:
    if file.path.stat().st_size == 0:
        raise InputError(
            f"The raw {file.source} file is empty.",
            received=f"{file.path}: 0 bytes",
            expected="a file with rows",
            action="Fetch the file again.",
        )
    if file.is_csv:
        return
    try:
        pq.read_metadata(file.path)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(
            f"The raw {file.source} file is not a whole parquet file; it may be truncated.",
            received=f"{file.path}: {str(error).splitlines()[0]}",
            expected="a parquet file with its footer",
            action="Fetch the file again.",
        ) from error
