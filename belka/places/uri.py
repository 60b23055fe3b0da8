"""Which texts name a place on an object store, and which folder of this machine belongs to it."""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from belka.errors import InputError

SCHEMES: Final = ("s3", "gs")
WORK_VARIABLE: Final = "BELKA_WORK_DIR"
_URI: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
_EXPECTED: Final = f"a path, or {' or '.join(f'{scheme}://BUCKET/FOLDER' for scheme in SCHEMES)}"
_UNSAFE: Final = re.compile(r"[^\w.-]")
_DIGITS: Final = 12  # of the digest that names a room


@dataclass(frozen=True)
class StoreUri:
    """A place on an object store.

    Attributes:
        scheme: One of `SCHEMES`.
        bucket: The bucket.
        key: What comes after it, without slashes at its ends; may be empty.
    """

    scheme: str
    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.path}"

    @property
    def path(self) -> str:
        """Bucket and key."""
        return f"{self.bucket}/{self.key}" if self.key else self.bucket

    @property
    def name(self) -> str:
        """The last part."""
        return self.path.rpartition("/")[2]

    @property
    def parent(self) -> Self:
        """What it lies in."""
        return type(self)(self.scheme, self.bucket, self.key.rpartition("/")[0])


def is_uri(text: str) -> bool:
    """Whether a text is a URI and no path; its scheme may be one that nobody can read here."""
    return _URI.fullmatch(text) is not None


def store_uri(text: str) -> StoreUri:
    """Read the URI of a place on an object store.

    Args:
        text: As the user gave it.

    Raises:
        InputError: Its scheme is not supported, it names no bucket, or a part of it is no name.
    """
    found = _URI.fullmatch(text)
    scheme = found["scheme"].lower() if found else ""
    if found is None or scheme not in SCHEMES:
        minio = " A store that speaks S3's protocol, as MinIO does: s3://, with its address in AWS_ENDPOINT_URL."
        raise InputError(
            "The scheme of a URI is not supported.",
            received=text,
            expected=_EXPECTED,
            action=f"Name a folder, or a place on one of these stores.{minio}",
        )
    bucket, _, key = found["rest"].partition("/")
    if "@" in bucket:
        raise InputError(
            "A URI holds what looks like a login.",
            received=f"{scheme}://, then a name and an @",
            expected=_EXPECTED,
            action="Leave it out: credentials come from the environment, as docs/object_stores.md says.",
        )
    key = key.strip("/")
    if not bucket or any(part in ("", ".", "..") for part in (key.split("/") if key else ())):
        raise InputError(
            "A URI names no place on an object store.",
            received=text,
            expected=f"{scheme}://BUCKET/FOLDER, without empty parts, . and ..",
            action="Correct the URI.",
        )
    return StoreUri(scheme, bucket, key)


def local_place(text: str | Path) -> Path:
    """A place that must lie on this machine.

    Raises:
        InputError: It is a URI.
    """
    if is_uri(str(text)):
        raise InputError(
            "A place on an object store is named where only a path will do.",
            received=str(store_uri(str(text))),
            expected="a path of this machine",
            action="Name a folder or file here, and copy it before or afterwards; docs/object_stores.md says where "
            "URIs work.",
        )
    return Path(text)


def work_root(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of this machine that holds copies of what lies on object stores.

    Raises:
        InputError: The environment names none, and the user has no home.
    """
    if named := environment.get(WORK_VARIABLE):
        return Path(named).absolute()
    if cache := environment.get("XDG_CACHE_HOME"):
        return Path(cache).absolute() / "belka"
    try:
        return Path.home() / ".cache" / "belka"
    except RuntimeError as error:  # a container whose user is a bare number, as on OpenShift
        raise InputError(
            "There is no folder for copies of what lies on an object store.",
            received=f"{WORK_VARIABLE}, XDG_CACHE_HOME and HOME are not set; user {os.getuid()} has no home",
            expected="a folder that this user may write",
            action=f"Name one with the variable {WORK_VARIABLE}.",
        ) from error


def room_of(uri: StoreUri) -> Path:
    """The folder that belongs to a URI: its copy, the list of what was copied, and a lock."""
    return work_root() / hashlib.sha256(str(uri).encode()).hexdigest()[:_DIGITS]


def copy_of(uri: StoreUri) -> Path:
    """Where the copy of a folder lies: it has its name, but for what TensorFlow takes for patterns."""
    return room_of(uri) / "folder" / _UNSAFE.sub("_", uri.name)


def work_copy_of(uri: StoreUri) -> Path:
    """Where an output directory is worked on, apart from copies for reading; its name as in `copy_of`."""
    return room_of(uri) / "work" / _UNSAFE.sub("_", uri.name)


def file_of(uri: StoreUri) -> Path:
    """Where the copy of an object lies, also of one that is still to be written: it has its name."""
    return room_of(uri) / "file" / uri.name
