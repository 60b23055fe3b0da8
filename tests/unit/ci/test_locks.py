"""What a lock breaks of what packages declare, and whether it meets pyproject.toml."""

import importlib.util
import tomllib
from email.message import Message
from importlib.metadata import Distribution
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def locks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("locks", REPOSITORY / ".ci" / "locks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Declared(Distribution):
    """A distribution that declares what a test says."""

    def __init__(self, name: str, *requires: str) -> None:
        self._metadata = Message()
        self._metadata["Name"] = name
        self._metadata["Version"] = "1.0"
        for requirement in requires:
            self._metadata["Requires-Dist"] = requirement

    @property
    def metadata(self) -> Any:
        return self._metadata

    @property
    def requires(self) -> list[str]:
        return self._metadata.get_all("Requires-Dist") or []

    def read_text(self, filename: str) -> None:
        del filename

    def locate_file(self, path: Any) -> Any:
        return path


def test_a_broken_bound_is_named_with_both_sides(locks: ModuleType) -> None:
    lock = {"engine": "1.0", "arrow-py": "26.0.1", "numbers": "2.0"}
    engine = Declared(
        "Engine", "Arrow_Py>=10,<19", "numbers<3", "absent<1", 'numbers<2; extra == "old"', 'numbers<1; os_name == "nt"'
    )
    unlocked = Declared("elsewhere", "numbers<1")
    assert list(locks.broken_bounds(lock, [unlocked, engine])) == [
        "Engine 1.0 wants Arrow_Py<19,>=10, the lock has 26.0.1"
    ]


def test_a_lock_that_fits_says_nothing_and_another_names_each_requirement(locks: ModuleType) -> None:
    project = {
        "project": {
            "name": "belka",
            "dependencies": ["a>=1,<2", "b==3"],
            "optional-dependencies": {"x": ["belka[y]", "c>=4"]},
        },
        "tool": {"uv": {"override-dependencies": ["b<9", "d>=5"]}},
    }
    assert list(locks.disagreements(project, {"a": "1.5", "b": "8", "c": "4.0"}, ["x"])) == []
    assert list(locks.disagreements(project, {"a": "2.0", "b": "9", "d": "4"}, ["x"])) == [
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
def test_the_locks_meet_pyproject(locks: ModuleType, lock: str, extras: list[str]) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    assert list(locks.disagreements(project, locks.read_lock(REPOSITORY / lock), extras)) == []


def test_the_three_locks_hold_one_version_of_everything(locks: ModuleType) -> None:
    core, container, development = (
        locks.read_lock(REPOSITORY / f"requirements{part}.lock") for part in ("", "-kubeflow", "-dev")
    )
    assert len(core) > 200
    assert core.items() <= container.items()
    assert container.items() <= development.items()


def test_the_gpu_lock_overrides_what_the_others_do() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    lines = (REPOSITORY / "docker" / "gpu-overrides.txt").read_text(encoding="utf-8").splitlines()
    overrides = [line.replace("tensorflow[and-cuda]", "tensorflow") for line in lines if not line.startswith("#")]
    assert overrides == project["tool"]["uv"]["override-dependencies"]
