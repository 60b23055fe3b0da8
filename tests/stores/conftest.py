"""Real servers of object stores on this machine (`make test-stores` installs them), and buckets on them.

What a test puts there, and looks at there, goes over plain HTTP: nothing of ours is between.
"""

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import pytest

from belka.places.uri import StoreUri, store_uri

if TYPE_CHECKING:
    from tests.unit.pipeline.tracking.conftest import Stub

ENVIRONMENT: Final = Path(__file__).parents[2] / ".envs" / "stores" / "bin"
# Nobody looks at the signature.
_SOMEBODY: Final = (
    "AWS4-HMAC-SHA256 Credential=tester/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=none"
)
_AWS: Final = "{http://s3.amazonaws.com/doc/2006-03-01/}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.stores)


Faulty = Callable[..., AbstractContextManager[str]]


@dataclass(frozen=True)
class Bucket:
    """A bucket of its own for each test.

    Attributes:
        server: Address of the server.
        name: Its name.
        work: BELKA_WORK_DIR.
    """

    server: str
    name: str
    work: Path

    @property
    def uri(self) -> str:
        return f"s3://{self.name}"

    def put(self, key: str, content: bytes | str) -> None:
        _ask(
            "PUT", f"{self.server}/{self.name}/{quote(key)}", content.encode() if isinstance(content, str) else content
        )

    def get(self, key: str) -> bytes:
        return _ask("GET", f"{self.server}/{self.name}/{quote(key)}")

    def delete(self, key: str) -> None:
        _ask("DELETE", f"{self.server}/{self.name}/{quote(key)}")

    def names(self, prefix: str = "") -> set[str]:
        """The objects, without what only marks a folder."""
        found: set[str] = set()
        after = ""
        while True:
            query = f"?list-type=2&prefix={quote(prefix)}" + (f"&start-after={quote(after)}" if after else "")
            listed = ET.fromstring(_ask("GET", f"{self.server}/{self.name}{query}"))  # noqa: S314 - our own server
            keys = [each.findtext(f"{_AWS}Key") or "" for each in listed.iter(f"{_AWS}Contents")]
            found.update(key for key in keys if not key.endswith("/"))
            if not keys or listed.findtext(f"{_AWS}IsTruncated") != "true":
                return found
            after = keys[-1]

    def put_folder(self, folder: Path, key: str) -> None:
        for path in folder.rglob("*"):
            if path.is_file():
                self.put(f"{key}/{path.relative_to(folder).as_posix()}", path.read_bytes())

    def environment(self, **more: str) -> dict[str, str]:
        """Of a command that uses it."""
        return {**os.environ, **s3_environment(self.server), "BELKA_WORK_DIR": str(self.work), **more}


def s3_environment(server: str) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_ENDPOINT_URL": server,
        "AWS_REGION": "us-east-1",
    }


def _ask(method: str, address: str, content: bytes | None = None) -> bytes:
    headers = {"Content-Type": "application/octet-stream", "Authorization": _SOMEBODY}
    request = urllib.request.Request(address, content, headers, method=method)  # noqa: S310 - our own server
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        found: bytes = answer.read()
    return found


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _started(command: list[str], address: str, folder: Path, environment: Mapping[str, str]) -> Any:
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=dict(environment), stdout=log, stderr=log)
    for _ in range(240):
        try:
            urllib.request.urlopen(address).close()  # noqa: S310 - our own server
        except urllib.error.HTTPError:
            return process
        except OSError:
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.25)
        else:
            return process
    raise AssertionError((folder / "log").read_text())


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Moto's server: S3 in memory."""
    if not (ENVIRONMENT / "moto_server").is_file():
        pytest.skip("moto's server is absent; `make test-stores` installs it")
    port, folder = _free_port(), tmp_path_factory.mktemp("moto")
    address = f"http://127.0.0.1:{port}"
    environment = {"PATH": f"{ENVIRONMENT}:{os.environ['PATH']}", "HOME": str(folder)}
    process = _started([str(ENVIRONMENT / "moto_server"), "-p", str(port)], address, folder, environment)
    try:
        yield address
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def bucket(s3_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Bucket:
    """An empty bucket, which the environment of this process leads to."""
    name = f"test-{abs(hash(request.node.nodeid)):x}"
    made = Bucket(s3_server, name, tmp_path / "work")
    _ask("PUT", f"{s3_server}/{name}", b"")
    for key in made.names():
        made.delete(key)
    for variable, value in {**s3_environment(s3_server), "BELKA_WORK_DIR": str(made.work)}.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    return made


@pytest.fixture
def needs_login(bucket: Bucket, s3_server: str) -> Iterator[None]:
    """The server looks at credentials once the bucket is made; nobody has an account there."""
    del bucket
    _ask("POST", f"{s3_server}/moto-api/reset-auth", b"0")
    yield
    _ask("POST", f"{s3_server}/moto-api/reset-auth", b"1000000000")


@pytest.fixture(scope="session")
def gcs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """fake-gcs-server: Google Cloud Storage in memory."""
    program = next(ENVIRONMENT.parent.glob("lib/*/site-packages/**/fake-gcs-server-linux-amd64"), None)
    if program is None:
        pytest.skip("fake-gcs-server is absent; `make test-stores` installs it")
    port, folder = _free_port(), tmp_path_factory.mktemp("gcs")
    address = f"http://127.0.0.1:{port}"
    program.chmod(0o755)
    command = [str(program), "-scheme", "http", "-host", "127.0.0.1", "-port", str(port)]
    command += ["-backend", "memory", "-public-host", f"127.0.0.1:{port}", "-external-url", address]
    process = _started(command, f"{address}/storage/v1/b", folder, {"PATH": os.environ["PATH"], "HOME": str(folder)})
    try:
        yield address
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that predicts."""
    from tests.unit.belka.conftest import write_length_model  # brings TensorFlow along

    return write_length_model(tmp_path_factory.mktemp("model") / "17")


def make_gcs_bucket(server: str, name: str) -> None:
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{server}/storage/v1/b", json.dumps({"name": name}).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request).close()  # noqa: S310


@pytest.fixture
def faulty() -> Faulty:
    """A network with faults before a server. It lies in a folder that is collected by the time a test runs."""
    from tests.unit.pipeline.conftest import faulty as network

    return network


@pytest.fixture
def tracking() -> "Iterator[Stub]":
    """What stands for an MLflow server: its own environment is not this one's."""
    from tests.unit.pipeline.tracking.conftest import stub_server

    with stub_server() as found:
        yield found


@pytest.fixture
def uri(bucket: Bucket) -> StoreUri:
    return store_uri(f"{bucket.uri}/run")


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Go to another machine, or back to one."""
    return lambda name: monkeypatch.setenv("BELKA_WORK_DIR", str(tmp_path / name))
