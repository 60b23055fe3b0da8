"""Every small file of state, cut or overwritten: refused by name with a way out, or set aside; never believed."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ml_metadata.proto import metadata_store_pb2

from belka.errors import InputError
from belka.models.champion import Champion, read_champion, write_champion
from belka.models.description import ModelDescription, read_description, write_description
from belka.provenance import Record, read_provenance, write_provenance
from components.affinity_evaluator.report.report import _history
from pipeline.cli.options import used_config
from pipeline.config.files import load_config, load_resolved, write_resolved
from pipeline.runners.kubeflow.simulator.metadata import MetadataStore
from pipeline.runners.metadata_store import connect
from pipeline.runners.outcomes import NodeOutcome, forget_lost_results
from pipeline.runners.publish import publish_results

CUTS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "half": lambda whole: whole[: len(whole) // 2],
    "garbage": lambda whole: bytes(len(whole)),
    "deep": lambda _: b'{"a":' * 50_000,
}
damaged = pytest.mark.parametrize("cut", CUTS)


def damage(file: Path, cut: str) -> None:
    file.write_bytes(CUTS[cut](file.read_bytes()))


@damaged
def test_the_pointer_to_the_champion(tmp_path: Path, cut: str) -> None:
    write_champion(tmp_path, Champion("17", "abc"))
    damage(tmp_path / "champion.json", cut)
    with pytest.raises(InputError, match=r"champion\.json"):
        read_champion(tmp_path)


@pytest.mark.parametrize("version", ["../..", "..", ".", "", "/etc", "a/b", "a\\b", "a\0b", 17, None])
def test_the_pointer_never_leads_out_of_its_folder(tmp_path: Path, version: Any) -> None:
    (tmp_path / "champion.json").write_text(json.dumps({"version": version, "digest": "abc"}), encoding="utf-8")
    with pytest.raises(InputError, match="version"):
        read_champion(tmp_path)


@damaged
def test_the_description_of_a_model(tmp_path: Path, cut: str) -> None:
    write_description(tmp_path, ModelDescription(targets=("BRD4",)))
    damage(tmp_path / "belka.json", cut)
    with pytest.raises(InputError, match=r"belka\.json"):
        read_description(tmp_path)


@damaged
def test_the_figures_of_the_last_run(tmp_path: Path, cut: str, caplog: pytest.LogCaptureFixture) -> None:
    publish_results({}, {"parquet-merge": {"state": "done"}}, tmp_path)
    damage(tmp_path / "metrics.json", cut)
    with caplog.at_level(logging.WARNING):
        metrics = publish_results({}, {"smiles-vocab": {"state": "done"}}, tmp_path)
    assert metrics["steps"] == {"smiles-vocab": {"state": "done"}}
    assert str(tmp_path / "metrics.json.damaged-1") in caplog.text


@damaged
def test_the_summary_of_a_step(tmp_path: Path, cut: str) -> None:
    (tmp_path / "summary.json").write_text('{"rows": 3, "molecules": 2}', encoding="utf-8")
    damage(tmp_path / "summary.json", cut)
    outcomes = {"parquet-merge": NodeOutcome(1, cached=True, outputs={"molecules": tmp_path})}
    with pytest.raises(InputError, match=r"summary\.json"):
        publish_results(outcomes, {}, tmp_path / "out")


@damaged
def test_the_history_of_a_training(tmp_path: Path, cut: str) -> None:
    (tmp_path / "history.json").write_text('[{"epoch": 1, "loss": 0.5}]', encoding="utf-8")
    damage(tmp_path / "history.json", cut)
    with pytest.raises(InputError, match=r"history\.json"):
        _history(tmp_path / "history.json")


@damaged
def test_a_damaged_record_of_a_result_is_no_cached_result(tmp_path: Path, cut: str) -> None:
    folder = tmp_path / "molecules"
    folder.mkdir()
    write_provenance(folder, Record(step="parquet-merge"))
    damage(folder / "provenance.json", cut)
    with pytest.raises(InputError, match=r"provenance\.json"):
        read_provenance(folder)
    store = connect(tmp_path / "metadata.db")
    kind = store.put_artifact_type(metadata_store_pb2.ArtifactType(name="Molecules"))
    live = metadata_store_pb2.Artifact(type_id=kind, uri=str(folder), state=metadata_store_pb2.Artifact.LIVE)
    store.put_artifacts([live])
    assert forget_lost_results(tmp_path / "metadata.db") == [str(folder)]
    assert forget_lost_results(tmp_path / "metadata.db") == []


@pytest.mark.parametrize("cut", ["empty", "half", "garbage"])
def test_the_configuration_of_the_last_run(tmp_path: Path, cut: str, caplog: pytest.LogCaptureFixture) -> None:
    file, config = tmp_path / "config.yaml", load_config(None, ["training.epochs=3"])
    write_resolved(config, file)
    assert used_config(tmp_path) == file
    assert load_resolved(file) == config
    damage(file, cut)
    with pytest.raises(InputError, match=r"config\.yaml"):
        used_config(tmp_path)
    with caplog.at_level(logging.WARNING):
        write_resolved(config, file, ["smiles-vocab"])  # type: ignore[list-item]
    assert str(tmp_path / "config.yaml.damaged-1") in caplog.text
    assert load_resolved(file) == config


def test_a_configuration_of_an_earlier_version_has_no_mark_and_is_read(tmp_path: Path) -> None:
    file, config = tmp_path / "config.yaml", load_config(None, ["training.epochs=3"])
    write_resolved(config, file)
    file.write_text(file.read_text(encoding="utf-8").removesuffix("...\n"), encoding="utf-8")
    assert load_resolved(file) == config


@damaged
def test_the_store_of_the_simulator(tmp_path: Path, cut: str, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "store.json"
    MetadataStore(file).finish("key", {"outputs": {}})
    damage(file, cut)
    with caplog.at_level(logging.WARNING):
        assert MetadataStore(file).cached("key") is None
    assert "store.json.damaged-1" in caplog.text
