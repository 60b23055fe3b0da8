"""A real Kubernetes API on this machine: kube-apiserver on etcd, without controllers, scheduler or nodes."""

import json
import os
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.kubeflow.processes import free_ports, server

REPOSITORY = Path(__file__).parents[2]
TOOLS = REPOSITORY / ".kubeflow" / "bin"
TOKEN = "administrator-of-a-test"  # noqa: S105 - of a server that lives as long as the test


@dataclass(frozen=True)
class ControlPlane:
    """Where the API answers, and who may ask it everything."""

    kubeconfig: Path
    url: str

    def kubectl(self, *arguments: str | Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl of the server's own version as an administrator.

        Args:
            arguments: Its words.
            given: What it reads from `-f -`.
        """
        command = [str(TOOLS / "kubectl"), f"--kubeconfig={self.kubeconfig}", *map(str, arguments)]
        return subprocess.run(command, input=given, capture_output=True, text=True, check=False)

    def create(self, *documents: Mapping[str, Any]) -> None:
        """Make objects, or bring them to this form."""
        done = self.kubectl(
            "apply", "--server-side", "--force-conflicts", "-f", "-", given=yaml.safe_dump_all(documents)
        )
        assert done.returncode == 0, done.stderr

    def render(self, folder: str) -> list[dict[str, Any]]:
        """What `kubectl apply -k` would send of a folder below k8s/."""
        rendered = self.kubectl("kustomize", REPOSITORY / "k8s" / folder)
        assert rendered.returncode == 0, rendered.stderr
        return [document for document in yaml.safe_load_all(rendered.stdout) if document]


def module_folder(pinned_in: str, module: str) -> Path:
    """Where the files of a Go module are on this machine; fetched, and checked against go.sum, where they are not.

    Args:
        pinned_in: Folder below `go/` whose go.mod has its version.
        module: Its path.
    """
    here = REPOSITORY / "tests" / "kubeflow" / "go" / pinned_in
    done = subprocess.run(["go", "mod", "download", "-json", module], cwd=here, check=False, capture_output=True)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return Path(json.loads(done.stdout)["Dir"])


def missing_tools(*names: str) -> str | None:
    """Why the real parts cannot run here, if they cannot."""
    absent = [name for name in names if not os.access(TOOLS / name, os.X_OK)]
    if not absent and shutil.which("go") is None:
        return "go: not on the PATH; it brings the types of Kubeflow's modules"
    return f"{', '.join(absent)}: not built; `make test-kubeflow` builds them, with Go" if absent else None


@contextmanager
def control_plane(folder: Path) -> Iterator[ControlPlane]:
    """Start etcd and kube-apiserver; both end with the block.

    Args:
        folder: An empty folder for keys, data and logs.
    """
    client, peer, api = free_ports(3)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "accounts.key").write_bytes(key)
    (folder / "tokens.csv").write_text(f'{TOKEN},administrator,administrator,"system:masters"\n')
    store = f"http://127.0.0.1:{client}"
    etcd: list[str | Path] = [TOOLS / "etcd", f"--data-dir={folder / 'etcd'}", "--unsafe-no-fsync", "--log-level=warn"]
    etcd += [f"--listen-client-urls={store}", f"--advertise-client-urls={store}"]
    etcd += [f"--{use}-peer-urls=http://127.0.0.1:{peer}" for use in ("listen", "initial-advertise")]
    etcd += [f"--initial-cluster=default=http://127.0.0.1:{peer}"]
    url = f"https://127.0.0.1:{api}"
    command: list[str | Path] = [
        TOOLS / "kube-apiserver",
        f"--etcd-servers={store}",
        f"--cert-dir={folder}",
        f"--secure-port={api}",
    ]
    command += ["--bind-address=127.0.0.1", "--authorization-mode=RBAC", f"--token-auth-file={folder / 'tokens.csv'}"]
    command += ["--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.0.0.0/24"]
    command += [f"--service-account-{use}-file={folder / 'accounts.key'}" for use in ("key", "signing-key")]
    with (
        server(etcd, folder / "etcd.log", lambda: answers(f"{store}/health")),
        server(command, folder / "apiserver.log", lambda: answers(f"{url}/readyz", folder / "apiserver.crt")),
    ):
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(_kubeconfig(url, folder / "apiserver.crt")))
        yield ControlPlane(kubeconfig, url)


def answers(url: str, certificate: Path | None = None) -> bool:
    """Whether a server says that it is well; one with a certificate is asked as an administrator."""
    try:
        context = ssl.create_default_context(cafile=str(certificate)) if certificate else None
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})  # noqa: S310 - our own
        with urllib.request.urlopen(request, context=context, timeout=5) as answer:  # noqa: S310
            return int(answer.status) == 200
    except (OSError, urllib.error.HTTPError):
        return False


def _kubeconfig(url: str, certificate: Path) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": str(certificate)}}],
        "users": [{"name": "test", "user": {"token": TOKEN}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    }
