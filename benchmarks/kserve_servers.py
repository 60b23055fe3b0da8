"""KServe's Python server on this machine: a predictor, and in front of it the transformer, as processes."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import urllib3

import belka
import belka.serving
from belka.errors import BelkaError, InputError

HOST: Final = "127.0.0.1"
_SECONDS: Final = 180.0  # until a server must be ready
_SHOWN: Final = 3_000  # characters of its log


@contextmanager
def kserve_servers(python: Path, model_dir: Path, logs: Path, *options: str) -> Iterator[str]:
    """Serve an exported model; both servers end with the block.

    Args:
        python: The interpreter of an environment with the packages of requirements-kserve.lock.
        model_dir: `belka` of an export.
        logs: Folder that receives predictor.log and transformer.log.
        options: Further options of the transformer.

    Yields:
        The address of the transformer.

    Raises:
        InputError: There is no such interpreter.
        BelkaError: A server ends, or is not ready in time.
    """
    with ExitStack() as stack:
        predictor = stack.enter_context(kserve_server(python, model_dir, logs / "predictor.log"))
        host = predictor.removeprefix("http://")
        log = logs / "transformer.log"
        yield stack.enter_context(kserve_server(python, model_dir, log, f"--predictor_host={host}", *options))


@contextmanager
def kserve_server(python: Path, model_dir: Path, log: Path, *options: str) -> Iterator[str]:
    """One of the two, see `kserve_servers`."""
    if not python.is_file():
        raise InputError(
            "There is no environment with KServe's server.",
            received=f"{python.absolute()} (does not exist)",
            expected="the interpreter of an environment with the packages of requirements-kserve.lock",
            action="Run `make .envs/kserve/.installed` in a clone, or name another interpreter with --python.",
        )
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    own = (f"--model_dir={model_dir}", f"--http_port={port}", "--enable_grpc=false", "--enable_latency_logging=false")
    with log.open("w") as file:
        process = subprocess.Popen(  # noqa: S603 - our own server
            server_command(python, *own, *options), env=server_environment(), stdout=file, stderr=file
        )
    address = f"http://{HOST}:{port}"
    try:
        _wait(process, f"{address}/v2/health/ready", log)
        yield address
    finally:
        process.terminate()
        process.wait()


def server_command(python: Path, *options: str) -> list[str]:
    """The command that starts the server with some options."""
    # -P: the server's folder is no place to import from.
    return [str(python), "-P", str(Path(belka.serving.__file__).with_name("server.py")), *options]


def server_environment() -> dict[str, str]:
    """Ours, in which the server finds this project."""
    return {**os.environ, "PYTHONPATH": str(Path(belka.__file__).parents[1]), "TF_CPP_MIN_LOG_LEVEL": "2"}


def _wait(process: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    end = time.monotonic() + _SECONDS
    pool = urllib3.PoolManager(retries=False, timeout=5.0)
    while process.poll() is None and time.monotonic() < end:
        try:
            if pool.request("GET", address).json() == {"ready": True}:
                return
        except (urllib3.exceptions.HTTPError, ValueError):
            pass
        time.sleep(0.2)
    raise BelkaError(
        "A server of KServe is not ready.",
        received=log.read_text(encoding="utf-8", errors="replace")[-_SHOWN:],
        expected=f"{address} answers within {_SECONDS:.0f} s",
        action="The last lines say why it ended.",
    )
