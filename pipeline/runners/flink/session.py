"""Flink on this machine: Beam's job server with the Flink cluster it embeds, and a pool of Python workers.

`make flink` fetches the jars (docker/flink) and starts a session; docs/flink.md shows how a run uses it.
"""

import argparse
import functools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from belka.digests import file_digest
from belka.errors import BelkaError, InputError
from belka.interrupts import stoppable
from belka.machine import worker_count
from belka.workers import end_with_parent
from pipeline.runners.flink import workers

JOB_SERVER_CLASS = "org.apache.beam.runners.flink.FlinkJobServerDriver"
# Flink 1.19 serializes with reflection into these packages, which Java 17 closes.
OPENED_PACKAGES = ("java.lang", "java.nio", "java.time", "java.util", "java.util.concurrent", "sun.nio.ch")
START_SECONDS = 180
STOP_SECONDS = 10


@contextmanager
def flink_session(
    jar_dir: Path, *, log_dir: Path, n_workers: int, checksums: Path | None = None, host: str = "localhost"
) -> Iterator[tuple[str, ...]]:
    """Start a job server and a worker pool on free ports; both are ended with the block.

    Args:
        jar_dir: Folder of the jars.
        log_dir: Folder for job-server.log, worker-pool.log and staged files; made when needed.
        n_workers: Slots of the Flink cluster and Python worker processes, >= 1.
        checksums: `sha256sum` file that names every jar; None = not checked.
        host: Name or address of this machine by which the job server is reached; workers are reached from here alone.

    Yields:
        What `beam.options` says to use the session, with `beam.runner` PortableRunner.

    Raises:
        InputError: If there is no Java, or the jars are missing or other than the checksums say.
        BelkaError: If a process ends or does not answer in time.
    """
    java = _check_java(jar_dir)
    if checksums is not None:
        check_jars(jar_dir, checksums)
    log_dir.mkdir(parents=True, exist_ok=True)
    job_port, pool_port = _free_port(), _free_port()
    machine = [java, *(f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in OPENED_PACKAGES), "-Xmx1g"]
    places = ["--flink-master=[local]", f"--job-host={host}", f"--artifacts-dir={log_dir.absolute() / 'staging'}"]
    ports = [f"--job-port={job_port}", "--artifact-port=0", "--expansion-port=0"]
    job_server = [*machine, "-cp", f"{jar_dir}/*", JOB_SERVER_CLASS, *places, *ports]
    worker_pool = [sys.executable, "-P", workers.__file__, f"--service_port={pool_port}"]
    with ExitStack() as stack:
        parts = (("job-server", job_server, host, job_port), ("worker-pool", worker_pool, "localhost", pool_port))
        for name, command, place, port in parts:
            log_path = log_dir / f"{name}.log"
            process = stack.enter_context(_running(command, stack.enter_context(log_path.open("wb"))))
            _wait_for_port(process, place, port, log_path)
        yield (
            f"--job_endpoint={host}:{job_port}",
            "--environment_type=EXTERNAL",
            f"--environment_config=localhost:{pool_port}",
            f"--parallelism={n_workers}",
            f"--sdk_worker_parallelism={n_workers}",
        )


def check_jars(jar_dir: Path, checksums: Path) -> None:
    """Check that a folder holds exactly the jars of a `sha256sum` file.

    Args:
        jar_dir: Folder of the jars.
        checksums: Lines of a SHA-256 in hexadecimal, two blanks and a file name.

    Raises:
        InputError: If a jar is missing, unknown or other than expected.
    """
    lines = [line.split(maxsplit=1) for line in checksums.read_text(encoding="utf-8").splitlines()]
    expected = {name: digest for digest, name in lines}
    found = {path.name: file_digest(path) for path in jar_dir.glob("*.jar")}
    wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if wrong:
        raise InputError(
            "The jars of the Flink job server are not the pinned ones.",
            received=f"{len(wrong)} missing or different in {jar_dir}, for example {wrong[0]}",
            expected=f"the {len(expected)} files of {checksums}",
            action="Remove the folder and fetch the jars again with `make flink-jars`.",
        )


def main() -> None:
    """Run a session until SIGINT or SIGTERM; prints the settings that use it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jars", type=Path, required=True, help="folder of the jars (`make flink-jars`)")
    parser.add_argument("--checksums", type=Path, help="sha256sum file that pins them")
    parser.add_argument("--host", default="localhost", help="name of this machine for those that send jobs")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="belka-flink-") as folder:
        try:
            with (
                stoppable(),
                flink_session(
                    arguments.jars,
                    log_dir=Path(folder),
                    n_workers=worker_count(0),
                    checksums=arguments.checksums,
                    host=arguments.host,
                ) as options,
            ):
                quoted = ", ".join(f'"{option}"' for option in options)
                sys.stdout.write(
                    f"Flink is ready (logs in {folder}; Ctrl-C ends it). Use it in another terminal with\n"
                    f"  --set beam.runner=PortableRunner --set 'beam.options=[{quoted}]'\n"
                )
                sys.stdout.flush()
                while True:
                    time.sleep(1)
        except KeyboardInterrupt:
            sys.stdout.write("Flink has ended.\n")
        except BelkaError as error:
            sys.stderr.write(f"{error}\n")
            raise SystemExit(error.exit_code) from error


def _check_java(jar_dir: Path) -> str:
    java = shutil.which("java")
    if java is None:
        raise InputError(
            "There is no Java.",
            received="no `java` on the PATH",
            expected="a Java runtime, version 11 or 17",
            action="Install one, for example the package openjdk-17-jre-headless.",
        )
    if not any(jar_dir.glob("*.jar")):
        raise InputError(
            "The jars of the Flink job server are missing.",
            received=f"no *.jar in {jar_dir}",
            expected="the jars of docker/flink/pom.xml",
            action="Fetch them with `make flink-jars`.",
        )
    return java


@contextmanager
def _running(command: list[str], log: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    ends = functools.partial(end_with_parent, os.getpid())
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, preexec_fn=ends)  # noqa: S603, PLW1509 - our own command; a system call between fork and exec
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_port(process: subprocess.Popen[bytes], host: str, port: int, log_path: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    lines = log_path.read_text(encoding="utf-8", errors="replace").splitlines()
    raise BelkaError(
        "A part of the Flink session did not start.",
        received=lines[-1] if lines else f"no answer within {START_SECONDS} s",
        expected=f"an open port {port} of {host}",
        action=f"See {log_path}.",
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
