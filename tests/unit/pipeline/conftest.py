"""Servers of tests: stubs, and one that stands between a client and the real one and does what networks do."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, Literal, get_args
from urllib.parse import urlsplit

Fault = Literal["refused", "closed", "cut", "error", "page", "other", "silent"]
FAULTS: Final = get_args(Fault)
_PAGE: Final = b"<html><body>Sign in</body></html>"
_SAID: Final = {
    "error": (b"500 Internal Server Error", b"upstream connect error"),
    "page": (b"200 OK", _PAGE),
    "other": (b"200 OK", b"{}"),
}


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Answer requests on this machine as a handler does; yields the address."""
    server = ThreadingHTTPServer(("localhost", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def faulty(uri: str, fault: Fault, *, after: int = 0) -> Iterator[str]:
    """Serve in the place of a server.

    Args:
        uri: Of the real one.
        fault: `refused`: nobody listens; `closed`: the connection ends without a word; `cut`: an answer ends in its
            middle; `error`: 500 of a gateway; `page`: an HTML page; `other`: JSON of something else; `silent`: no
            answer ever comes.
        after: Connections that are passed on before the fault begins.

    Yields:
        The address to use.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    if fault == "refused" and after == 0:
        listener.close()
        yield address
        return
    open_ones: list[socket.socket] = []

    def serve() -> None:
        left = after
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            open_ones.append(client)
            threading.Thread(target=_answer, args=(client, uri, fault if left <= 0 else None), daemon=True).start()
            left -= 1
            if fault == "refused" and left <= 0:
                listener.close()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield address
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for each in open_ones:
            each.close()


def _answer(client: socket.socket, uri: str, fault: Fault | None) -> None:
    with suppress(OSError):
        request = _request(client)
        if fault == "silent":
            return  # the connection stays open
        if fault in _SAID:
            status, body = _SAID[fault]
            head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % (status, len(body))
            client.sendall(head + b"Connection: close\r\n\r\n" + body)
        elif fault in {None, "cut"}:
            answer = _passed_on(request, uri)
            client.sendall(answer if fault is None else answer[:-3])
        client.shutdown(socket.SHUT_RDWR)
        client.close()


def _request(client: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += client.recv(1 << 16)
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = int(lengths[0].partition(b":")[2]) if lengths else 0
    while len(body) < length:
        body += client.recv(1 << 16)
    kept = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*kept, b"Connection: close"]) + b"\r\n\r\n" + body


def _passed_on(request: bytes, uri: str) -> bytes:
    target = urlsplit(uri)
    answer = b""
    with socket.create_connection((str(target.hostname), int(target.port or 80))) as server:
        server.sendall(request)
        while part := server.recv(1 << 16):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    if request.startswith(b"HEAD "):  # its length is that of what is not sent
        kept = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        return b"\r\n".join([*kept, b"Connection: close"]) + b"\r\n\r\n"
    kept = [line for line in head.split(b"\r\n") if not line.lower().startswith((b"content-length:", b"connection:"))]
    return b"\r\n".join([*kept, b"Content-Length: %d" % len(body), b"Connection: close"]) + b"\r\n\r\n" + body
