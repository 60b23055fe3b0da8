"""A server that is asked and answers in JSON over HTTP; what to say where it does not is its subclass's."""

import json
import logging
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, Final

import urllib3

from belka.errors import BelkaError

TIMEOUT_SECONDS: Final = 30.0
_DONE: Final = (200, 201)


class JsonServer(ABC):
    """One server.

    Args:
        uri: Its address.
        headers: Sent with every request.
        timeout: Seconds to wait for an answer, > 0.
    """

    def __init__(self, uri: str, headers: Mapping[str, str], *, timeout: float) -> None:
        self.uri = uri.rstrip("/")
        self._headers = dict(headers)
        # Its warnings of each new attempt hold the address as it is, a token within; what fails for good is told here.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
        self._pool = urllib3.PoolManager(timeout=timeout, retries=urllib3.Retry(2, redirect=0))

    def ask(
        self, method: str, address: str, content: Mapping[str, Any] | None = None, *, missing_ok: bool = False
    ) -> dict[str, Any]:
        """Send a request.

        Args:
            method: Of HTTP.
            address: Where to.
            content: Sent as JSON; None = nothing.
            missing_ok: Whether an answer of 404 is an empty one.

        Returns:
            The answer.

        Raises:
            BelkaError: Nothing answers, or it refuses, or the answer is no JSON.
        """
        with self._explained(address):
            answer = self._pool.request(method, address, json=content, headers=self._headers)
            return {} if missing_ok and answer.status == 404 else self._read(answer, address)  # noqa: PLR2004

    def send(self, method: str, address: str, stream: IO[bytes]) -> None:
        """Send a file, see `ask`."""
        headers = {**self._headers, "Content-Type": "application/octet-stream"}
        with self._explained(address):
            self._read(self._pool.request(method, address, body=stream, headers=headers), address)

    def part(self, answer: Mapping[str, Any], *names: str) -> Any:
        """What lies in an answer under names, each in the one before.

        Args:
            answer: What `ask` returned.
            names: The names, outermost first.

        Returns:
            What lies there.

        Raises:
            BelkaError: It is not there: the answer is of something else.
        """
        found: Any = answer
        for name in names:
            if not isinstance(found, Mapping) or name not in found:
                raise self.unreadable(self.uri, json.dumps(answer))
            found = found[name]
        return found

    @abstractmethod
    def refused(self, status: int, address: str, text: str) -> BelkaError:
        """What to say of an answer with another status."""

    @abstractmethod
    def unreadable(self, address: str, text: str) -> BelkaError:
        """What to say of an answer that is no JSON object, or one of something else."""

    @abstractmethod
    def unreachable(self, address: str, error: Exception) -> BelkaError:
        """What to say where nothing answers."""

    def _read(self, answer: urllib3.BaseHTTPResponse, address: str) -> dict[str, Any]:
        text = answer.data.decode(errors="replace").strip()
        if answer.status not in _DONE:
            raise self.refused(answer.status, address, text[:500])
        try:
            found = json.loads(text or "{}")
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self.unreadable(address, text[:200])
        return found

    @contextmanager
    def _explained(self, address: str) -> Iterator[None]:
        try:
            yield
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self.unreachable(address, error) from error


def bearer(token: str) -> dict[str, str]:
    """The header of a token; none where it is empty."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def basic(name: str, password: str) -> dict[str, str]:
    """The header of a user's name and password."""
    return {"Authorization": f"Basic {b64encode(f'{name}:{password}'.encode()).decode()}"}
