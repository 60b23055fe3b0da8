"""What a build of the image shows too late."""

import re
from pathlib import Path

import pytest

DOCKER = Path(__file__).parents[3] / "docker"
TEXT = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
STAGES = {
    re.split(r"\s+", header.strip())[-1]: body
    for header, body in re.findall(r"(?m)^FROM ([^\n]+)\n((?:(?!FROM ).*\n?)*)", TEXT)
}
TARGETS = ("cpu", "gpu", "serving")


@pytest.mark.parametrize("target", TARGETS)
def test_another_revision_changes_no_layer_but_the_last(target: str) -> None:
    """A build argument is part of the key of every layer after it."""
    words = re.findall(r"(?m)^(ARG REVISION|LABEL|RUN|COPY|ENV|ENTRYPOINT|USER|WORKDIR)\b", STAGES[target])
    assert words[-2:] == ["ARG REVISION", "LABEL"]
    assert all("ARG REVISION" not in body for stage, body in STAGES.items() if stage not in TARGETS)


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_the_build_imports_what_takes_libraries_from_the_system(target: str) -> None:
    """The slim base lacks them, and nothing else of the build would miss them."""
    assert "libgomp1 libxext6 libxrender1" in STAGES["runtime"]
    assert 'python3.11 -c "import lightgbm; from rdkit.Chem.Draw import rdMolDraw2D"' in STAGES[target]


def test_the_working_folder_and_the_volume_s_place_take_any_user_of_the_group_0() -> None:
    """A platform that chooses the user by itself runs it in that group."""
    assert "install -d -o belka -g root -m 0775 /mnt/belka /work" in STAGES["runtime"]


def test_whatever_is_copied_reaches_the_build() -> None:
    let_through = re.findall(r"(?m)^!(\S+)$", (DOCKER.parent / ".dockerignore").read_text(encoding="utf-8"))
    copied = [word for line in re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", TEXT) for word in line.split()]
    assert "requirements-kserve.lock" in copied
    assert set(copied) == set(let_through)
    assert all((DOCKER.parent / name).exists() for name in copied)
