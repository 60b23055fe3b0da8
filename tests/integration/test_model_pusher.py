"""The standard Pusher with the executor that keeps champion.json."""

from pathlib import Path

import pytest
from tfx.components.evaluator import constants
from tfx.proto import pusher_pb2
from tfx.types import standard_component_specs as specs
from tfx.types.standard_artifacts import Model, ModelBlessing, PushedModel
from tfx.utils import proto_utils

from belka.contract import CHAMPION_PROPERTY
from belka.errors import BelkaError
from belka.models.champion import Champion, model_digest, read_champion
from components.model_pusher.executor import ChampionPusherExecutor


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder, self.models = folder, folder / "model"

    def model(self, name: str) -> Path:
        path = self.folder / name / "Format-Serving"
        path.mkdir(parents=True)
        (path / "saved_model.pb").write_text(name)
        return path

    def push(self, name: str, *, blessed: bool = True, champion: str = "") -> PushedModel:
        model, blessing, pushed = Model(), ModelBlessing(), PushedModel()
        model.uri, pushed.uri = str(self.folder / name), str(self.folder / f"pushed-{name}")
        blessing.uri = str(self.folder / "blessing")
        blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, int(blessed))
        blessing.set_string_custom_property(CHAMPION_PROPERTY, champion)
        destination = pusher_pb2.PushDestination(filesystem={"base_directory": str(self.models)})
        ChampionPusherExecutor().Do(
            {specs.MODEL_KEY: [model], specs.MODEL_BLESSING_KEY: [blessing]},
            {specs.PUSHED_MODEL_KEY: [pushed]},
            {specs.PUSH_DESTINATION_KEY: proto_utils.proto_to_json(destination)},
        )
        return pushed

    def versions(self) -> list[str]:
        return sorted(path.name for path in self.models.glob("*") if path.is_dir())


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    seconds = iter(range(100, 200))
    monkeypatch.setattr("tfx.components.pusher.executor.time.time", lambda: next(seconds))
    return Bench(tmp_path)


def test_pushed_model_becomes_the_champion(bench: Bench) -> None:
    digest = model_digest(bench.model("a"))
    pushed = bench.push("a")
    (version,) = bench.versions()
    assert read_champion(bench.models) == Champion(version, digest)
    assert pushed.get_int_custom_property("pushed") == 1
    assert (bench.models / version / "saved_model.pb").read_text() == "a"


def test_files_of_the_release_are_put_beside_the_model(bench: Bench) -> None:
    bench.model("a")
    release = bench.folder / "blessing" / "release"
    release.mkdir(parents=True)
    (release / "model_card.md").write_text("card")
    pushed = bench.push("a")
    (version,) = bench.versions()
    assert (bench.models / version / "model_card.md").read_text() == "card"
    assert (Path(pushed.uri) / "model_card.md").read_text() == "card"


def test_not_blessed_is_not_pushed(bench: Bench) -> None:
    bench.model("a")
    assert bench.push("a", blessed=False).get_int_custom_property("pushed") == 0
    assert not bench.models.exists()


def test_better_model_replaces_the_champion_and_the_old_version_stays(bench: Bench) -> None:
    first = model_digest(bench.model("a"))
    bench.push("a")
    second = model_digest(bench.model("b"))
    bench.push("b", champion=first)
    champion = read_champion(bench.models)
    assert champion == Champion(bench.versions()[1], second)
    assert len(bench.versions()) == 2


def test_champion_is_not_pushed_again(bench: Bench) -> None:
    digest = model_digest(bench.model("a"))
    bench.push("a")
    before = bench.versions()
    for judged_against in (digest, ""):
        pushed = bench.push("a", champion=judged_against)
        assert bench.versions() == before
        assert pushed.get_int_custom_property("pushed") == 1
        assert pushed.get_string_custom_property("pushed_version") == before[0]


def test_stale_verdict_is_refused(bench: Bench) -> None:
    """b was judged before a went into production: as a first model."""
    bench.model("a")
    bench.push("a")
    before = read_champion(bench.models)
    bench.model("b")
    with pytest.raises(BelkaError, match=r"since this one was judged(.|\n)*against \(none\)(.|\n)*--no-resume"):
        bench.push("b", champion="")
    assert read_champion(bench.models) == before
    assert len(bench.versions()) == 1


def test_folder_of_an_earlier_push_is_never_taken_for_the_model(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    first = model_digest(bench.model("a"))
    bench.push("a")
    monkeypatch.setattr("tfx.components.pusher.executor.time.time", lambda: int(bench.versions()[0]))
    bench.model("b")
    with pytest.raises(BelkaError, match="pushed copy is not the model"):
        bench.push("b", champion=first)
    champion = read_champion(bench.models)
    assert champion is not None
    assert champion.digest == first
