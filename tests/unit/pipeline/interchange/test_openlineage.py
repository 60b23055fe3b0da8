"""The events of a run: what was read and made, by which code, with which digests; read by OpenLineage's own client."""

import json
from pathlib import Path
from typing import Any

import pytest

from belka.errors import InputError
from belka.provenance import read_provenance
from pipeline.interchange.openlineage import run_events
from pipeline.interchange.recorded import recorded_model
from tests.unit.conftest import Read
from tests.unit.pipeline.interchange.conftest import RAW_FILES


def events_of(output: Path) -> list[dict[str, Any]]:
    return list(run_events(recorded_model(output / "model")))


def versions(data_sets: list[dict[str, Any]]) -> dict[str, str]:
    return {each["name"]: each["facets"]["version"]["datasetVersion"] for each in data_sets}


def test_each_step_starts_and_completes_in_the_order_it_ran(output: Path) -> None:
    told = [(event["job"]["name"], event["eventType"], event["eventTime"][14:19]) for event in events_of(output)]
    assert told == [
        ("parquet-merge", "START", "10:00"),
        ("parquet-merge", "COMPLETE", "10:59"),
        ("trainer-clf", "START", "20:00"),
        ("trainer-clf", "COMPLETE", "20:59"),
        ("affinity-evaluator", "COMPLETE", "30:59"),
        ("pusher", "START", "40:00"),
        ("pusher", "COMPLETE", "40:59"),
    ]


def test_both_events_of_a_step_are_of_one_run_below_the_pipeline_run(output: Path) -> None:
    events = events_of(output)
    runs = {event["job"]["name"]: set[str]() for event in events}
    for event in events:
        runs[event["job"]["name"]].add(event["run"]["runId"])
    assert all(len(ids) == 1 for ids in runs.values())
    assert len(set.union(*runs.values())) == len(runs)
    assert len({event["run"]["facets"]["parent"]["run"]["runId"] for event in events}) == 1
    assert events == events_of(output), "told twice, a server has it once"


def test_data_sets_are_named_by_place_and_versioned_by_digest(output: Path) -> None:
    by_step = {event["job"]["name"]: event for event in events_of(output)}
    merge, train = by_step["parquet-merge"], by_step["trainer-clf"]
    raw = output.parent / "raw"
    assert versions(merge["inputs"]) == {str(raw / name): digest for name, digest in RAW_FILES.items()}
    (table,) = merge["outputs"]
    known = read_provenance(Path(table["name"]))
    assert known is not None
    assert (table["namespace"], versions([table])[table["name"]]) == ("file", known.digest)
    assert train["inputs"] == [table]
    assert {Path(name).parent.name for name in versions(train["outputs"])} == {"model", "model_run"}
    pushed = by_step["pusher"]["outputs"]
    assert ("gs://bucket", "models/17") in [(each["namespace"], each["name"]) for each in pushed]


def test_the_table_has_its_columns_and_the_step_its_code_settings_and_libraries(output: Path) -> None:
    merge = events_of(output)[1]
    fields = merge["outputs"][0]["facets"]["schema"]["fields"]
    assert {"name": "smiles", "type": "string"} in fields
    assert next(each["type"] for each in fields if each["name"] == "binds").startswith("fixed_size_list<")
    code = merge["job"]["facets"]["sourceCodeLocation"]
    assert (code["version"], code["url"]) == ("0.1.0+sources.327b2e44", "pkg:generic/belka@0.1.0%2Bsources.327b2e44")
    settings = {each["key"]: each["value"] for each in merge["run"]["facets"]["executionParameters"]["parameters"]}
    assert (settings["settings.system.seed"], settings["settings.data.targets"]) == ("42", '["HSA", "sEH"]')
    assert merge["run"]["facets"]["tags"]["tags"] == [{"key": "library.duckdb", "value": "2.0.1"}]


def test_a_model_without_provenance_has_nothing_to_tell(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_text("weights")
    with pytest.raises(InputError, match=r"does not say where it comes from[\s\S]*provenance.json"):
        recorded_model(tmp_path)


@pytest.mark.metadata
@pytest.mark.slow
def test_openlineages_client_reads_every_event(output: Path, tmp_path: Path, read_elsewhere: Read) -> None:
    events = events_of(output)
    file = tmp_path / "events.jsonl"
    file.write_text("".join(f"{json.dumps(event)}\n" for event in events))
    read = read_elsewhere("openlineage", file)
    assert read.returncode == 0, read.stderr[-3000:]
    assert json.loads(read.stdout) == {"events": len(events), "facets": 8}
    for name, wrong in (("eventTime", "yesterday"), ("run", {"runId": "7"}), ("producer", None)):
        file.write_text(json.dumps({**events[0], name: wrong}))
        assert read_elsewhere("openlineage", file).returncode != 0, name
