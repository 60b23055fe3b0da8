"""provenance.json: what made an output folder, from what, and the digest of every file in it.

It is the one system of digests. The folder's file names every folder that led to it as well, so that a copy of a folder
alone, without any other folder and without a metadata store, tells where it comes from.
"""

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict

from belka.contract import PROVENANCE_FILE
from belka.digests import digest_files, file_digest, files_digest, list_files
from belka.errors import DamagedError, InputError
from belka.files import atomic_path
from belka.machine import worker_count
from belka.places.names import place_of

_SEAL: Final = '"seal": "'  # begins the last line: SHA-256 of what the file holds without it
# Files whose content this process knows: their SHA-256 and their state then.
_known_whole: dict[Path, tuple[str, tuple[int, ...]]] = {}
_LEVELS: Final = 4  # of folders between an output's folder and its files
_AGAIN: Final = "Run the step that makes the folder again."


class Input(BaseModel):
    """A folder that a step read.

    Attributes:
        name: Name of the input.
        uri: Where it was.
        digest: `folder_digest` of its files.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    uri: str
    digest: str


class Record(BaseModel):
    """How an output folder was made.

    Attributes:
        step: Node id.
        run: Id of the pipeline run that made it.
        output: Name of the output.
        uri: Where it was written.
        started: When the step began, in UTC; empty in records of earlier versions.
        finished: When it ended.
        digest: `folder_digest` of its files.
        settings: The parameters of the step that decide its result.
        code_version: `belka.code_version.code_version` of what the step can import.
        libraries: Versions of the libraries it can import.
        raw_files: Name -> SHA-256 of each raw file that the step read.
        inputs: What it read.
        delivered: Folder outside the pipeline root that the step wrote too -> `folder_digest`.
    """

    model_config = ConfigDict(frozen=True)

    step: str
    run: str = ""
    output: str = ""
    uri: str = ""
    started: str = ""
    finished: str = ""
    digest: str = ""
    settings: dict[str, Any] = {}
    code_version: str = ""
    libraries: dict[str, str] = {}
    raw_files: dict[str, str] = {}
    inputs: tuple[Input, ...] = ()
    delivered: dict[str, str] = {}


class ReadInputs(NamedTuple):
    """What a step read.

    Attributes:
        inputs: Its inputs.
        upstream: The records of all that led to them, each after those it was made from.
    """

    inputs: tuple[Input, ...] = ()
    upstream: tuple[Record, ...] = ()


class Provenance(Record):
    """The content of provenance.json.

    Attributes:
        files: Path in the folder -> SHA-256 of every file but this one.
        upstream: The records of all folders that led to this one, each after those it was made from.
    """

    files: dict[str, str] = {}
    upstream: tuple[Record, ...] = ()

    @property
    def history(self) -> tuple[Record, ...]:
        """All records, this one last."""
        return (*self.upstream, self.record())

    def record(self) -> Record:
        """This folder's own record."""
        return Record(**self.model_dump(exclude={"files", "upstream"}))

    @property
    def origin(self) -> Record:
        """The record of the step that read the raw files first; an empty one where none did."""
        return next((record for record in self.history if record.raw_files), Record(step=""))


def known_digest(path: Path) -> str:
    """SHA-256 of a file: as a provenance.json above it says, unless it was written to since; else by reading it."""
    for folder in list(path.parents)[:_LEVELS]:
        listing = folder / PROVENANCE_FILE
        if listing.is_file() and path.stat().st_mtime_ns <= listing.stat().st_mtime_ns:
            known = read_provenance(folder)
            if known and (digest := known.files.get(str(path.relative_to(folder)))):
                return digest
    return file_digest(path)


def folder_digest(folder: Path) -> str:
    """Name the content of a folder: as its provenance.json says, else by reading its files."""
    known = read_provenance(folder)
    return known.digest if known else files_digest(digest_files(folder))


def read_provenance(folder: Path) -> Provenance | None:
    """Read provenance.json.

    Args:
        folder: An output folder.

    Returns:
        Its content; None where there is none: the folder is of an earlier version, or its step did not finish.

    Raises:
        InputError: The file is damaged.
    """
    file = folder / PROVENANCE_FILE
    if not file.is_file():
        return None
    try:
        text = file.read_text(encoding="utf-8")
        body, seal, after = text.rpartition(f",\n {_SEAL}")
        # Records of earlier versions have no seal.
        if seal and after.rstrip() != f'{_digest_of_text(body + chr(10) + "}")}"\n}}':
            raise ValueError("its content is not what its seal names")  # noqa: TRY301 - told with the others
        return Provenance.model_validate_json(text)
    except ValueError as error:  # pydantic's and those of decoding among them
        raise InputError(
            "The provenance of a folder cannot be read.",
            received=f"{file}: {str(error).splitlines()[0]}",
            expected="the file as the step wrote it",
            action=_AGAIN,
        ) from error


def recorded(folder: Path) -> Provenance:
    """Read the provenance of a folder that must have one.

    Raises:
        InputError: It has none, or a damaged one.
    """
    known = read_provenance(folder)
    if known is None:
        raise InputError(
            "The folder does not say where it comes from.",
            received=f"no file {folder / PROVENANCE_FILE}",
            expected="the output folder of a step that finished, or a pushed model",
            action=_AGAIN,
        )
    return known


def read_inputs(folders: Mapping[str, Sequence[Path]]) -> ReadInputs:
    """Read where the inputs of a step come from, before it begins: a damaged record must not be found at its end.

    Args:
        folders: Name -> folders that are read.

    Raises:
        InputError: A provenance.json is damaged.
    """
    read = [(name, path, read_provenance(path)) for name, paths in folders.items() for path in paths]
    upstream = {(each.step, each.uri, each.digest): each for _, _, known in read if known for each in known.history}
    inputs = (
        Input(name=name, uri=place_of(path), digest=known.digest if known else folder_digest(path))
        for name, path, known in read
    )
    return ReadInputs(tuple(inputs), tuple(upstream.values()))


def write_provenance(folder: Path, record: Record, read: ReadInputs = ReadInputs()) -> Provenance:  # noqa: B008 - immutable
    """Digest the files of a folder and write provenance.json into it, when everything else is there.

    Args:
        folder: The output folder.
        record: What the step knows; `uri` and `digest` are filled here, and `inputs` added to those given.
        read: Its inputs.

    Returns:
        What was written.
    """
    files = digest_files(folder)
    _known_whole.update({folder / name: (digest, _state(folder / name)) for name, digest in files.items()})
    provenance = Provenance(
        **record.model_dump(exclude={"uri", "digest", "inputs"}),
        uri=place_of(folder),
        digest=files_digest(files),
        inputs=(*record.inputs, *read.inputs),
        files=files,
        upstream=read.upstream,
    )
    text = provenance.model_dump_json(indent=1)
    with atomic_path(folder / PROVENANCE_FILE) as temporary:
        temporary.write_text(f'{text[:-2]},\n {_SEAL}{_digest_of_text(text)}"\n}}\n', encoding="utf-8")
    return provenance


def changed_files(folder: Path) -> list[str]:
    """Compare a folder with its provenance.json.

    Args:
        folder: The folder.

    Returns:
        The files that are missing, added or of another content; empty where all is as it was written.

    Raises:
        InputError: There is no provenance.json, or it is damaged.
    """
    known = recorded(folder)
    found = digest_files(folder)
    return sorted(name for name in known.files.keys() | found.keys() if known.files.get(name) != found.get(name))


def check_whole(folder: Path, names: Sequence[str] | None = None, *, others: bool = False) -> None:
    """Check a folder, whole files, before it is read. Files that this process wrote or checked are not read again.

    Args:
        folder: An output folder; one without provenance, of an earlier version, is not checked.
        names: Paths in it of the only files that matter; None = all.
        others: Whether files that nobody recorded may lie in it.

    Raises:
        DamagedError: A file is missing, of another content, or was added.
        InputError: provenance.json is damaged.
    """
    known = read_provenance(folder)
    if known is None:
        return
    wanted = known.files if names is None else {name: known.files[name] for name in names if name in known.files}
    new = [
        name for name, digest in wanted.items() if _known_whole.get(folder / name) != (digest, _state(folder / name))
    ]
    with ThreadPoolExecutor(worker_count(0)) as threads:
        found = dict(zip(new, threads.map(lambda name: _digest_if_there(folder / name), new), strict=True))
    wrong = [name for name, digest in found.items() if digest != wanted[name]]
    if names is None and not others:
        wrong += sorted(set(list_files(folder)) - known.files.keys())
    if wrong:
        raise DamagedError(
            "A result of an earlier step is not as it was written.",
            folder=str(folder),
            received=f"{folder}: {', '.join(wrong[:5])}{' and others' if len(wrong) > 5 else ''}",  # noqa: PLR2004
            expected=f"the content that its {PROVENANCE_FILE} names",
            action="Run the pipeline again: the step that makes it runs again. Of a model: copy it again.",
        )
    _known_whole.update({folder / name: (digest, _state(folder / name)) for name, digest in found.items() if digest})


def _digest_of_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _digest_if_there(path: Path) -> str:
    try:
        return file_digest(path)
    except FileNotFoundError:
        return ""


def _state(path: Path) -> tuple[int, ...]:
    """What changes when a file is written to; empty where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns
