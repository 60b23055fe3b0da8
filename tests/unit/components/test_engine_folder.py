"""What an engine's workers open lies on the shared volume while a step runs, and nothing stays there."""

from pathlib import Path

import pytest
from tfx.types.standard_artifacts import Examples, Integer

from belka.beam_flags import local_beam_flags
from belka.errors import RunAgainError
from components import engine_jobs
from components.artifact_types import Artifacts, Molecules
from components.engine_folder import on_engine, shared_folder


@pytest.fixture
def step(tmp_path: Path) -> tuple[Artifacts, Artifacts]:
    """The inputs and outputs of a step in the folders of its pod."""
    examples, molecules, made, total = Examples(), Molecules(), Examples(), Integer()
    for name, artifact in {"examples": examples, "molecules": molecules, "made": made}.items():
        folder = tmp_path / "pod" / name
        folder.mkdir(parents=True)
        artifact.uri = str(folder)
    total.uri = str(tmp_path / "pod" / "total")
    examples.split_names = '["train", "test"]'
    for file in ("Split-train/a", "Split-test/b", "counts.json"):
        (Path(examples.uri) / file).parent.mkdir(exist_ok=True)
        (Path(examples.uri) / file).write_text(file, encoding="utf-8")
    (Path(molecules.uri) / "m").write_text("m", encoding="utf-8")
    return {"examples": [examples], "molecules": [molecules]}, {"made": [made], "total": [total]}


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("flags", [local_beam_flags(1), []])
def test_on_this_machine_nothing_is_moved(step: tuple[Artifacts, Artifacts], tmp_path: Path, flags: list[str]) -> None:
    inputs, outputs = step
    place = outputs["made"][0].uri
    with shared_folder(tmp_path / "volume" / "step"), on_engine(flags, inputs, outputs) as readable:
        assert readable is inputs
        assert outputs["made"][0].uri == place
    assert not (tmp_path / "volume").exists()


def test_an_engine_that_sees_the_folders_of_the_artifacts_uses_them(
    step: tuple[Artifacts, Artifacts], engine_flags: list[str]
) -> None:
    inputs, outputs = step
    place = outputs["made"][0].uri
    with on_engine(engine_flags, inputs, outputs) as readable:
        assert readable is inputs
        assert outputs["made"][0].uri == place


def test_a_step_reads_and_writes_the_shared_folder_and_leaves_nothing_in_it(
    step: tuple[Artifacts, Artifacts], tmp_path: Path, engine_flags: list[str]
) -> None:
    inputs, outputs = step
    volume, places = tmp_path / "volume", (outputs["made"][0].uri, outputs["total"][0].uri)
    volume.mkdir()
    with (
        shared_folder(volume / "beam" / "run" / "task" / "salt"),
        on_engine(engine_flags, inputs, outputs, splits=["test"]) as readable,
    ):
        examples, molecules, made = readable["examples"][0], readable["molecules"][0], outputs["made"][0]
        assert all(Path(each.uri).is_relative_to(volume) for each in (examples, molecules, made))
        assert examples.split_names == '["train", "test"]'
        assert _files(Path(examples.uri)) == ["Split-test/b", "counts.json"]  # nothing that the step does not read
        assert _files(Path(molecules.uri)) == ["m"]
        assert outputs["total"][0].uri == places[1]  # a file that the step writes itself
        (Path(made.uri) / "Split-test").mkdir()
        (Path(made.uri) / "Split-test" / "c").write_text("c", encoding="utf-8")
        made.split_names = '["test"]'
    assert (outputs["made"][0].uri, outputs["total"][0].uri) == places
    assert outputs["made"][0].split_names == '["test"]'
    assert _files(Path(places[0])) == ["Split-test/c"]
    assert [path.name for path in volume.rglob("*")] == ["beam"]
    assert _files(Path(inputs["examples"][0].uri)) == ["Split-test/b", "Split-train/a", "counts.json"]


def test_a_step_that_fails_leaves_no_output_and_nothing_on_the_volume(
    step: tuple[Artifacts, Artifacts], tmp_path: Path, engine_flags: list[str]
) -> None:
    inputs, outputs = step
    place = Path(outputs["made"][0].uri)

    def fail() -> None:
        with shared_folder(tmp_path / "volume" / "run" / "task" / "salt"), on_engine(engine_flags, inputs, outputs):
            (Path(outputs["made"][0].uri) / "half").write_text("c", encoding="utf-8")
            raise ValueError("failed")

    with pytest.raises(ValueError, match="failed"):
        fail()
    assert (Path(outputs["made"][0].uri), _files(place)) == (place, [])
    assert list((tmp_path / "volume").rglob("*")) == []


def test_what_a_killed_attempt_left_is_removed_by_the_next_one(
    step: tuple[Artifacts, Artifacts], tmp_path: Path, engine_flags: list[str]
) -> None:
    inputs, outputs = step
    shared = tmp_path / "volume" / "run" / "task" / "salt"
    (shared / "0123" / "outputs").mkdir(parents=True)
    (shared / "0123" / "outputs" / "half").write_text("c", encoding="utf-8")
    with shared_folder(shared), on_engine(engine_flags, inputs, outputs):
        assert not (shared / "0123").exists()
    assert not shared.exists()


def test_nothing_is_copied_for_a_job_server_that_is_not_there(
    step: tuple[Artifacts, Artifacts], tmp_path: Path, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_jobs, "ANSWER_SECONDS", 0.5)
    flags = ["--runner=PortableRunner", f"--job_endpoint=localhost:{closed_port}"]
    with (
        pytest.raises(RunAgainError, match="does not answer"),
        shared_folder(tmp_path / "volume"),
        on_engine(flags, *step),
    ):
        pass
    assert not (tmp_path / "volume").exists()
