"""What a build of the image shows too late."""

import re
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[3] / "docker" / "Dockerfile").read_text(encoding="utf-8")
STAGES = {
    re.split(r"\s+", header.strip())[-1]: body
    for header, body in re.findall(r"(?m)^FROM ([^\n]+)\n((?:(?!FROM ).*\n?)*)", TEXT)
}


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_another_revision_changes_no_layer_but_the_last(target: str) -> None:
    """A build argument is part of the key of every layer after it."""
    words = re.findall(r"(?m)^(ARG REVISION|LABEL|RUN|COPY|ENV|USER|WORKDIR)\b", STAGES[target])
    assert words[-2:] == ["ARG REVISION", "LABEL"]
    assert all("ARG REVISION" not in body for stage, body in STAGES.items() if stage not in {"cpu", "gpu"})


def test_the_working_folder_and_the_volume_s_place_take_any_user_of_the_group_0() -> None:
    """A platform that chooses the user by itself runs it in that group."""
    assert "install -d -o belka -g root -m 0775 /mnt/belka /work" in STAGES["runtime"]
