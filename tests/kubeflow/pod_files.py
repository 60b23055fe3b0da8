"""What a kubelet fills in for a pod: environment variables and volumes."""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Json = dict[str, Any]
_VARIABLE: Final = re.compile(r"\$\$|\$\(([A-Za-z_][\w.-]*)\)")


def expand(text: str, known: Mapping[str, str]) -> str:
    """Fill in `$(NAME)` where NAME is known; `$$` is a dollar sign."""
    return _VARIABLE.sub(lambda found: "$" if found[0] == "$$" else known.get(found[1], found[0]), text)


@dataclass(frozen=True)
class PodFiles:
    """Fills in what a pod's specification refers to.

    Attributes:
        pod: The pod.
        folder: Where its volumes go.
        claims: Local folder of each persistent volume claim.
        ask: Sends a request (method, path below the API's root, body) and gives the answer; None where it is not there.
    """

    pod: Json
    folder: Path
    claims: Mapping[str, Path]
    ask: Callable[..., Json | None]

    def environment(self, container: Json, given: Mapping[str, str]) -> dict[str, str]:
        """Environment of a container.

        Args:
            container: Its specification.
            given: What image and node set.
        """
        known = dict(given)
        for source in container.get("envFrom", ()):
            kind, reference = next((k, v) for k, v in source.items() if k.endswith("Ref"))
            known |= {name: data.decode() for name, data in self._data(kind, reference, reference["name"]).items()}
        for variable in container.get("env", ()):
            if "valueFrom" in variable:
                value = self._value(variable["valueFrom"])
            else:
                value = expand(variable.get("value", ""), known)
            if value is not None:
                known[variable["name"]] = value
        return known

    def volumes(self) -> dict[str, Path]:
        """Make the folder of every volume."""
        return {volume["name"]: self._volume(volume) for volume in self.pod["spec"].get("volumes", ())}

    def _volume(self, volume: Json) -> Path:
        if claim := volume.get("persistentVolumeClaim"):
            return self.claims[claim["claimName"]]
        folder = self.folder / str(volume["name"])
        folder.mkdir(parents=True)
        (kind,) = volume.keys() - {"name"}
        sources = volume["projected"]["sources"] if kind == "projected" else [{kind: volume[kind]}]
        for source in sources:
            ((kind, content),) = source.items()
            for name, data in self._files(kind, content).items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(data)
        return folder

    def _files(self, kind: str, source: Json) -> dict[str, bytes]:
        if kind == "emptyDir":
            return {}
        if kind == "serviceAccountToken":
            return {source["path"]: self._token(source).encode()}
        if kind == "downwardAPI":
            return {item["path"]: self._field(item["fieldRef"]["fieldPath"]).encode() for item in source["items"]}
        data = self._data(kind, source, source.get("name") or source["secretName"])
        items = source.get("items")
        return {item["path"]: data[item["key"]] for item in items} if items else data

    def _value(self, source: Json) -> str | None:
        ((kind, reference),) = source.items()
        if kind == "fieldRef":
            return self._field(reference["fieldPath"])
        data = self._data(kind, reference, reference["name"]).get(reference["key"])
        return None if data is None else data.decode()

    def _field(self, path: str) -> str:
        if found := re.fullmatch(r"(.+)\['(.+)'\]", path):
            return str(self.pod["metadata"].get(found[1].removeprefix("metadata."), {}).get(found[2], ""))
        value: Any = self.pod
        for part in path.split("."):
            value = value.get(part, "")
        return str(value)

    def _data(self, kind: str, reference: Json, name: str) -> dict[str, bytes]:
        """Content of a config map or a secret."""
        resource = "secrets" if kind.startswith("secret") else "configmaps"
        found = self.ask("GET", f"api/v1/namespaces/{self.pod['metadata']['namespace']}/{resource}/{name}")
        if found is None:
            if reference.get("optional"):
                return {}
            raise LookupError(f"{resource} {name} is not there")
        data = found.get("data", {})
        if resource == "secrets":
            return {key: base64.b64decode(value) for key, value in data.items()}
        return {key: value.encode() for key, value in data.items()}

    def _token(self, source: Json) -> str:
        metadata, account = self.pod["metadata"], self.pod["spec"]["serviceAccountName"]
        bound = {"kind": "Pod", "apiVersion": "v1", "name": metadata["name"], "uid": metadata["uid"]}
        spec = {"expirationSeconds": source.get("expirationSeconds", 3600), "boundObjectRef": bound}
        if audience := source.get("audience"):
            spec["audiences"] = [audience]
        path = f"api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{account}/token"
        made = self.ask("POST", path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec})
        assert made is not None, f"the account {account} is not there"
        return str(made["status"]["token"])
