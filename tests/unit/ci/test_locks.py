"""The locks meet pyproject.toml: `make lock-check` runs this, offline."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

REPOSITORY = Path(__file__).parents[3]
PROJECT: Final = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
_PIN: Final = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==(\S+)", re.MULTILINE)


def read_lock(name: str) -> dict[str, str]:
    """Pinned version by canonical name."""
    return {canonicalize_name(pin): version for pin, version in _PIN.findall((REPOSITORY / name).read_text("utf-8"))}


def disagreements(project: Mapping[str, Any], lock: Mapping[str, str], extras: Iterable[str]) -> Iterator[str]:
    """Requirements and overrides of pyproject.toml that a lock with these extras does not meet."""
    table = project["project"]
    overrides = project.get("tool", {}).get("uv", {}).get("override-dependencies", [])
    overridden = {canonicalize_name(Requirement(text).name) for text in overrides}
    optional = [text for extra in extras for text in table["optional-dependencies"][extra]]
    for text in [*table["dependencies"], *optional, *overrides]:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if name == canonicalize_name(table["name"]) or (name in overridden and text not in overrides):
            continue
        pinned = lock.get(name)
        # An override may name a package that only another lock holds.
        if pinned is None and text in overrides:
            continue
        if pinned is None or not requirement.specifier.contains(Version(pinned), prereleases=True):
            yield f"pyproject.toml wants {text}, the lock has {pinned or 'none'}"


def test_a_lock_that_fits_says_nothing_and_another_names_each_requirement() -> None:
    project = {
        "project": {
            "name": "belka",
            "dependencies": ["a>=1,<2", "b==3"],
            "optional-dependencies": {"x": ["belka[y]", "c>=4"]},
        },
        "tool": {"uv": {"override-dependencies": ["b<9", "d>=5"]}},
    }
    assert list(disagreements(project, {"a": "1.5", "b": "8", "c": "4.0"}, ["x"])) == []
    assert list(disagreements(project, {"a": "2.0", "b": "9", "d": "4"}, ["x"])) == [
        "pyproject.toml wants a>=1,<2, the lock has 2.0",
        "pyproject.toml wants c>=4, the lock has none",
        "pyproject.toml wants b<9, the lock has 9",
        "pyproject.toml wants d>=5, the lock has 4",
    ]


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("requirements.lock", []),
        ("requirements-kubeflow.lock", ["kubeflow"]),
        ("requirements-dev.lock", ["kubeflow", "dev"]),
    ],
)
def test_the_locks_meet_pyproject(lock: str, extras: list[str]) -> None:
    assert list(disagreements(PROJECT, read_lock(lock), extras)) == []


@pytest.mark.parametrize("group", list(PROJECT["dependency-groups"]))
def test_the_lock_of_a_group_of_tools_meets_pyproject(group: str) -> None:
    tools = {"name": group, "dependencies": PROJECT["dependency-groups"][group]}
    assert list(disagreements({"project": tools}, read_lock(f"requirements-{group}.lock"), [])) == []


def test_the_three_locks_hold_one_version_of_everything() -> None:
    core, container, development = (read_lock(f"requirements{part}.lock") for part in ("", "-kubeflow", "-dev"))
    assert len(core) > 150
    assert core.items() <= container.items()
    assert container.items() <= development.items()


def test_the_server_of_models_has_the_pipeline_s_chemistry_and_tensorflow() -> None:
    """Another RDKit may spell a molecule otherwise, another TensorFlow score it otherwise."""
    core, served = read_lock("requirements.lock"), read_lock("requirements-kserve.lock")
    shared = ("rdkit", "scikit-fingerprints", "numpy", "pyarrow", "tensorflow")
    assert {name: served[name] for name in shared} == {name: core[name] for name in shared}


def test_the_gpu_lock_overrides_what_the_others_do() -> None:
    lines = (REPOSITORY / "docker" / "gpu-overrides.txt").read_text(encoding="utf-8").splitlines()
    overrides = [line.replace("tensorflow[and-cuda]", "tensorflow") for line in lines if not line.startswith("#")]
    assert overrides == PROJECT["tool"]["uv"]["override-dependencies"]


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-kubeflow.lock", "docker/requirements-gpu.lock"])
def test_no_user_gets_a_package_whose_licence_excludes_commercial_use(lock: str) -> None:
    assert "atominsmiles" not in read_lock(lock)
    assert "atominsmiles" in read_lock("requirements-dev.lock")


def test_the_gpu_lock_leaves_out_what_the_others_do() -> None:
    lines = (REPOSITORY / "docker" / "gpu-excludes.txt").read_text(encoding="utf-8").splitlines()
    excluded = PROJECT["tool"]["uv"]["exclude-dependencies"]
    assert [line for line in lines if not line.startswith("#")] == excluded


@pytest.mark.parametrize("lock", sorted(path.name for path in REPOSITORY.glob("requirements*.lock")))
def test_what_is_left_out_is_in_no_lock(lock: str) -> None:
    excluded = PROJECT["tool"]["uv"]["exclude-dependencies"]
    assert not set(excluded) & set(read_lock(lock) | read_lock("docker/requirements-gpu.lock"))
