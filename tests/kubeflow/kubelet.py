"""The place of scheduler and kubelet: pods of a real API server run as processes of this machine."""

import json
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import requests  # type: ignore[import-untyped]  # ships no types

from tests.kubeflow.control_plane import TOKEN, ControlPlane
from tests.kubeflow.pod_files import Json, PodFiles, expand
from tests.kubeflow.sandbox import Mount, Sandbox

NODE: Final = "this-machine"
SCHEDULER: Final = "default-scheduler"  # which every pod has that names no other
PAUSE: Final = 0.1
MESSAGE_BYTES: Final = 4096


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Machine:
    """What every container gets of this machine.

    Attributes:
        folder: Receives a folder for each pod, of which the logs stay.
        environment: What images and services set.
        kept: Folders that containers see in any case.
        claims: Local folder of each persistent volume claim.
    """

    folder: Path
    environment: Mapping[str, str]
    kept: tuple[Path, ...]
    claims: Mapping[str, Path]


class Api:
    """Requests to the API server as an administrator."""

    def __init__(self, cluster: ControlPlane) -> None:
        self._cluster = cluster
        self._certificate = str(cluster.kubeconfig.parent / "apiserver.crt")

    def send(self, method: str, path: str, body: Json | None = None) -> Any:
        """A request's response; a watch's is read line by line."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind}
        how = {"json": body, "headers": headers, "verify": self._certificate, "stream": "watch=" in path}
        return requests.request(method, f"{self._cluster.url}/{path}", timeout=60, **how)

    def ask(self, method: str, path: str, body: Json | None = None) -> Json | None:
        """The answer to a request; None where nothing is there."""
        response = self.send(method, path, body)
        if response.status_code == requests.codes.not_found:
            return None
        assert response.ok, f"{method} {path}: {response.status_code} {response.text}"
        return dict(response.json())


@dataclass
class _Container:
    spec: Json
    folder: Path
    sandbox: Sandbox | None = None
    started: str = ""
    ended: Json | None = None

    def see(self) -> bool:
        """Note its end; whether it is new."""
        if self.sandbox is None or self.ended is not None or (code := self.sandbox.poll()) is None:
            return False
        message = (self.folder / "message").read_bytes()[-MESSAGE_BYTES:].decode(errors="replace")
        if not message and code and self.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            message = (self.folder / "log").read_bytes()[-MESSAGE_BYTES // 2 :].decode(errors="replace")
        reason = "Error" if code else "Completed"
        self.ended = {"exitCode": code, "reason": reason, "startedAt": self.started, "finishedAt": _now()}
        self.ended["message"] = message
        return True

    def status(self) -> Json:
        if self.ended is not None:
            state: Json = {"terminated": self.ended}
        elif self.sandbox is not None:
            state = {"running": {"startedAt": self.started}}
        else:
            state = {"waiting": {"reason": "PodInitializing"}}
        image = self.spec["image"]
        known = {"name": self.spec["name"], "image": image, "imageID": image, "restartCount": 0, "state": state}
        return known | {"ready": "running" in state, "started": "running" in state}


class PodWorker(threading.Thread):
    """Runs one pod to its end."""

    def __init__(self, pod: Json, api: Api, machine: Machine) -> None:
        super().__init__(daemon=True)
        self.pod, self.api, self.machine = pod, api, machine
        self.deleted, self.evicted, self.grace_seconds = threading.Event(), threading.Event(), 30.0
        metadata = self.pod["metadata"]
        self.path = f"api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        self.folder = self.machine.folder / f"{metadata['name']}-{metadata['uid'][:8]}"
        self._began = _now()
        self._init, self._main = (
            [_Container(spec, self.folder / spec["name"]) for spec in self.pod["spec"].get(kind, ())]
            for kind in ("initContainers", "containers")
        )

    def run(self) -> None:
        """Initial containers one after the other, then all others at once."""
        target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": self.pod["metadata"]["name"]}}
        self.api.send("POST", f"{self.path}/binding", {**binding, "target": target})
        self._tell("Pending")
        files = PodFiles(self.pod, self.folder / "volumes", self.machine.claims, self.api.ask)
        try:
            self._volumes = files.volumes()
            well = all(self._run([container], files, "Pending") for container in self._init)
            well = well and self._run(self._main, files, "Running")
        except LookupError as error:
            self._tell("Failed", reason="CreateContainerConfigError", message=str(error))
            return
        finally:
            # Logs stay. Every pod of Argo copies argoexec into a volume, 142 MB.
            for place in (files.folder, *(each.folder / "root" for each in (*self._init, *self._main))):
                shutil.rmtree(place, ignore_errors=True)
        why = {"reason": "Evicted", "message": "The node was low on resource: memory."} if self.evicted.is_set() else {}
        self._tell("Succeeded" if well else "Failed", **why)
        if self.deleted.is_set():
            self.api.send("DELETE", self.path, {"gracePeriodSeconds": 0})

    def _run(self, containers: list[_Container], files: PodFiles, phase: str) -> bool:
        for container in containers:
            self._start(container, files)
        self._tell(phase)
        kill_at: float | None = None
        while any(container.ended is None for container in containers):
            running = [each.sandbox for each in containers if each.sandbox is not None and each.ended is None]
            if self.evicted.is_set() or (kill_at is not None and time.monotonic() > kill_at):
                for sandbox in running:
                    sandbox.kill()
            elif self.deleted.is_set() and kill_at is None:
                kill_at = time.monotonic() + self.grace_seconds
                for sandbox in running:
                    sandbox.terminate()
            if sum(container.see() for container in containers):
                self._tell(phase)
            time.sleep(PAUSE)
        return all(container.ended is not None and container.ended["exitCode"] == 0 for container in containers)

    def _start(self, container: _Container, files: PodFiles) -> None:
        spec, folder = container.spec, container.folder
        folder.mkdir(parents=True)
        (folder / "message").touch()
        environment = files.environment(spec, self.machine.environment)
        mounts = [Mount(path, str(path), read_only=True) for path in self.machine.kept]
        mounts += [Mount(folder / "message", spec.get("terminationMessagePath", "/dev/termination-log"))]
        for mount in spec.get("volumeMounts", ()):
            source = self._volumes[mount["name"]] / mount.get("subPath", "")
            if not source.exists():
                source.mkdir(parents=True)
            mounts.append(Mount(source, mount["mountPath"], mount.get("readOnly", False)))
        words = [expand(word, environment) for word in (*spec.get("command", ()), *spec.get("args", ()))]
        container.started = _now()
        container.sandbox = Sandbox(words, environment, folder, mounts)

    def _tell(self, phase: str, **why: str) -> None:
        ready = "True" if phase == "Running" else "False"
        conditions = [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": ready}]
        status = {"phase": phase, "startTime": self._began, "podIP": "127.0.0.1", "conditions": conditions, **why}
        status["initContainerStatuses"] = [container.status() for container in self._init]
        status["containerStatuses"] = [container.status() for container in self._main]
        self.api.send("PATCH", f"{self.path}/status", {"status": status})


class Kubelet(threading.Thread):
    """Runs the pods of a cluster as they come."""

    def __init__(self, cluster: ControlPlane, machine: Machine) -> None:
        super().__init__(daemon=True)
        self.api, self._machine = Api(cluster), machine
        self._stopped = threading.Event()
        self.workers: dict[str, PodWorker] = {}

    def run(self) -> None:
        """Follow the pods of all namespaces."""
        while not self._stopped.is_set():
            try:
                for line in self.api.send("GET", "api/v1/pods?watch=true&timeoutSeconds=30").iter_lines():
                    if line and not self._stopped.is_set():
                        self._note(json.loads(line))
            except requests.RequestException:
                time.sleep(PAUSE)

    def worker(self, name: str) -> PodWorker:
        """What runs the pod of this name."""
        return next(worker for worker in self.workers.values() if worker.pod["metadata"]["name"] == name)

    def stop(self) -> None:
        """End every pod."""
        self._stopped.set()
        for worker in self.workers.values():
            worker.evicted.set()
        for worker in self.workers.values():
            worker.join()

    def _note(self, event: Json) -> None:
        pod = event["object"]
        if event["type"] == "ERROR" or pod["metadata"]["namespace"] == "kube-system":
            return
        uid, known = pod["metadata"]["uid"], self.workers.get(pod["metadata"]["uid"])
        if known is None:
            ours = pod["spec"].get("schedulerName") == SCHEDULER and "nodeName" not in pod["spec"]
            if event["type"] == "ADDED" and ours:
                self.workers[uid] = PodWorker(pod, self.api, self._machine)
                self.workers[uid].start()
        elif event["type"] == "DELETED" or "deletionTimestamp" in pod["metadata"]:
            known.grace_seconds = float(pod["metadata"].get("deletionGracePeriodSeconds", 0))
            known.deleted.set()


@contextmanager
def kubelet(cluster: ControlPlane, machine: Machine) -> Iterator[Kubelet]:
    """Run the pods of a cluster until the block ends."""
    started = Kubelet(cluster, machine)
    started.start()
    try:
        yield started
    finally:
        started.stop()
