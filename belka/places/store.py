"""What lies below a URI of an object store, read and written with Arrow's own file systems.

Credentials, region and address come from the environment as every client of these stores takes them, and go nowhere
else.
"""

import ctypes
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from belka.errors import InputError, RunAgainError
from belka.places.store_errors import explained_answer
from belka.places.uri import StoreUri

READ_BYTES: Final = 16 << 20  # asked for at a time: what a cut connection has to send again
_CONNECT_SECONDS: Final = 10.0
_ATTEMPTS: Final = 4
_GOOGLE_SECONDS: Final = 60  # of attempts; Google's own 15 minutes look like a program that hangs
_ENDPOINTS: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_EMULATOR: Final = ("STORAGE_EMULATOR_HOST",)  # as Google's own clients read it
_REGIONS: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")
_ANY_REGION: Final = "us-east-1"  # what stores at addresses of their own take


class Listed(NamedTuple):
    """An object.

    Attributes:
        size: Bytes.
        tag: The store's name of its content; empty in lists.
    """

    size: int
    tag: str = ""


class ObjectStore:
    """The objects below a URI, by their names there.

    Args:
        uri: The place.
        environment: Where credentials, region and address are looked up.

    Raises:
        InputError: The environment names no usable store.
    """

    def __init__(self, uri: StoreUri, environment: Mapping[str, str] = os.environ) -> None:
        self.uri = uri
        with self._explained(""):
            self._files = _file_system(uri, environment)

    def list_objects(self) -> dict[str, Listed]:
        """All objects, by name. A bucket that is not there is an error, a folder without objects is none."""
        from pyarrow import fs

        with self._explained(""):
            found = self._files.get_file_info(fs.FileSelector(self.uri.path, recursive=True, allow_not_found=True))
        if not found:
            self.check_bucket()
        start = len(self.uri.path) + 1
        return {each.path[start:]: Listed(int(each.size)) for each in found if each.is_file}

    def check_bucket(self) -> None:
        """Ask for the bucket: an error where it is not there, or refuses."""
        from pyarrow import fs

        with self._explained(""):
            if self._files.get_file_info(self.uri.bucket).type is fs.FileType.NotFound:
                raise FileNotFoundError(self.uri.bucket)

    def is_object(self) -> bool:
        """Whether the URI itself is that of an object."""
        with self._explained(""):
            return bool(self._files.get_file_info(self.uri.path).is_file)

    def look_at(self, name: str) -> Listed | None:
        """An object with its tag; None where there is none."""
        with self._explained(name):
            source = self._opened(name)
            if source is None:
                return None
            with source:
                return _of_open(source)

    def read(self, name: str) -> bytes | None:
        """The content of a small object; None where there is none."""
        with self._explained(name):
            source = self._opened(name)
            if source is None:
                return None
            with source:
                content: bytes = source.read()
                return content

    def write(self, name: str, content: bytes) -> None:
        """Write a small object, whole."""
        with self._explained(name), self._sink(name) as sink:
            sink.write(content)

    def download(
        self, name: str, target: Path, *, count: Callable[[int], None], stop: threading.Event | None = None
    ) -> Listed:
        """Write an object to a file.

        Args:
            name: Its name.
            target: The file.
            count: Called with the bytes of each part.
            stop: Ends the work between two parts.

        Returns:
            The object.

        Raises:
            RunAgainError: It was cut, is gone, or became another while it was read.
        """
        with self._explained(name):
            if (source := self._opened(name)) is None:
                raise RunAgainError(
                    "An object of a store was deleted before it was read.",
                    received=self.place(name),
                    expected="the objects that were listed",
                    action="Run the same command again: it lists them anew.",
                )
            with source, target.open("wb") as sink:
                before, done = _of_open(source), 0
                while part := source.read(READ_BYTES):
                    if stop is not None and stop.is_set():
                        raise RunAgainError("A download was stopped.", received=self.place(name))
                    sink.write(part)
                    done += len(part)
                    count(len(part))
            after = self.look_at(name)
        if done != before.size or after is None or after != before:
            raise RunAgainError(
                "An object of a store was not read whole, or changed while it was read.",
                received=f"{self.place(name)}: {done:,} of {before.size:,} bytes",
                expected="the same object from the first byte to the last",
                action="Run the same command again: it goes on with what is missing.",
            )
        return after

    def upload(self, source: Path, name: str) -> Listed:
        """Write a file to an object, which appears whole or not at all.

        Args:
            source: The file.
            name: Name of the object.

        Raises:
            RunAgainError: The store has not all of it.
        """
        done = 0
        with source.open("rb") as stream, self._explained(name):
            with self._sink(name) as sink:
                while part := stream.read(READ_BYTES):
                    sink.write(part)
                    done += len(part)
            found = self.look_at(name)
        if found is None or found.size != done:
            raise RunAgainError(
                "An object was not written whole.",
                received=f"{self.place(name)}: {found.size if found else 0:,} of {done:,} bytes",
                expected="all of them",
                action="Run the same command again: it writes what is missing.",
            )
        return found

    def delete(self, name: str) -> None:
        """Delete an object, if it is there."""
        with self._explained(name):
            try:
                self._files.delete_file(self._path(name))
            except FileNotFoundError:
                return

    def place(self, name: str) -> str:
        """The URI of an object."""
        return f"{self.uri}/{name}" if name else str(self.uri)

    def _opened(self, name: str) -> Any | None:
        try:
            return self._files.open_input_file(self._path(name))
        except FileNotFoundError:
            return None

    @contextmanager
    def _sink(self, name: str) -> Iterator[Any]:
        """A stream to an object, which appears when the block ends without an error."""
        # Arrow would compress what is called .gz or .zst, once more.
        sink = self._files.open_output_stream(self._path(name), compression=None)
        try:
            yield sink
        except BaseException:
            # Arrow cannot abort: closing a stream, as freeing it does, makes an object of the part that it has.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(sink))
            raise
        sink.close()

    def _path(self, name: str) -> str:
        return f"{self.uri.path}/{name}" if name else self.uri.path

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        """Tell what the store answers in the words of this program; what the disk of this machine says stays."""
        import pyarrow as pa

        try:
            yield
        except (OSError, pa.ArrowException) as error:
            told = explained_answer(error, self.uri, self.place(name))
            if told is None:
                raise
            raise told from error


def _file_system(uri: StoreUri, environment: Mapping[str, str]) -> Any:
    from pyarrow import fs

    if uri.scheme == "gs":
        limit = timedelta(seconds=_GOOGLE_SECONDS)
        if emulator := _address(environment, _EMULATOR):
            scheme, place = emulator
            return fs.GcsFileSystem(anonymous=True, scheme=scheme, endpoint_override=place, retry_time_limit=limit)
        return fs.GcsFileSystem(retry_time_limit=limit)
    endpoint = _address(environment, _ENDPOINTS)
    return fs.S3FileSystem(
        region=next(filter(None, map(environment.get, _REGIONS)), _ANY_REGION if endpoint else None),
        scheme=endpoint[0] if endpoint else "https",
        endpoint_override=endpoint[1] if endpoint else None,
        connect_timeout=_CONNECT_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
    )


def _address(environment: Mapping[str, str], variables: Sequence[str]) -> tuple[str, str] | None:
    """Scheme and place of the address that the first of some variables names; None where none is set."""
    variable = next(filter(environment.get, variables), None)
    if variable is None:
        return None
    found = urlsplit(environment[variable])
    if found.scheme not in {"http", "https"} or not found.netloc or "@" in found.netloc:
        # Another store would be asked, with this one's credentials.
        raise InputError(
            "The address of the object store is none.",
            received=f"{variable}: a value " + ("with a login in it" if "@" in found.netloc else "without http(s)://"),
            expected="an address such as http://localhost:9000",
            action=f"Correct {variable}; credentials stand in variables of their own, see docs/object_stores.md.",
        )
    return found.scheme, f"{found.netloc}{found.path.rstrip('/')}"


def _of_open(source: Any) -> Listed:
    described = {_text(key).lower(): _text(value) for key, value in (source.metadata() or {}).items()}
    if not described.get("etag"):
        raise OSError("the answer has no tag (ETag), as that of a gateway has none")
    return Listed(int(source.size()), described["etag"])


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
