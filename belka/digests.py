"""SHA-256 of files and of folders."""

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from belka.contract import PROVENANCE_FILE
from belka.machine import worker_count


def digest_files(folder: Path, *, n_workers: int = 0) -> dict[str, str]:
    """Digest the files of a folder: right after writing, they are read from the page cache.

    Args:
        folder: The folder; hidden files and its provenance.json are left out.
        n_workers: Files hashed at a time, each at over 1 GB/s; 0 = as many as there are cores to use.

    Returns:
        Path in the folder -> SHA-256, sorted by path.
    """
    names = list_files(folder)
    with ThreadPoolExecutor(worker_count(n_workers)) as threads:
        digests = threads.map(lambda name: file_digest(folder / name), names)
        return dict(zip(names, digests, strict=True))


def list_files(folder: Path) -> list[str]:
    """The paths in a folder of its files, sorted, without hidden ones and provenance.json."""
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and path != folder / PROVENANCE_FILE and not path.name.startswith(".")
    )
    return [str(path.relative_to(folder)) for path in paths]


def file_digest(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal text."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def files_digest(files: Mapping[str, str]) -> str:
    """One digest of many: SHA-256 of their names and digests."""
    return hashlib.sha256("".join(f"{name}\0{digest}\n" for name, digest in sorted(files.items())).encode()).hexdigest()


def digests_by_name(digest: str) -> dict[str, str]:
    """Name -> SHA-256 of each file that a text of `belka.raw_directory.raw_digest` names; empty for another text."""
    return dict(part.split("=", 1) for part in digest.split() if "=" in part)
