"""What reads our files in the environment of other projects (`.envs/metadata`): `python readers.py KIND FILE`."""

import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any, Final

# Facet -> module and class of the client's generated code; of lists, what each entry becomes.
FACETS: Final = {
    "executionParameters": (
        "execution_parameters_run.ExecutionParametersRunFacet",
        {"parameters": "ExecutionParameter"},
    ),
    "jobType": ("job_type_job.JobTypeJobFacet", {}),
    "parent": ("parent_run.ParentRunFacet", {"run": "Run", "job": "Job"}),
    "processing_engine": ("processing_engine_run.ProcessingEngineRunFacet", {}),
    "schema": ("schema_dataset.SchemaDatasetFacet", {"fields": "SchemaDatasetFacetFields"}),
    "sourceCodeLocation": ("source_code_location_job.SourceCodeLocationJobFacet", {}),
    "tags": ("tags_run.TagsRunFacet", {"tags": "TagsRunFacetFields"}),
    "version": ("dataset_version_dataset.DatasetVersionDatasetFacet", {}),
}


def read_openlineage(file: Path) -> dict[str, Any]:
    """Check each event with the schema kept beside this file, then build the client's own objects of it."""
    from jsonschema import Draft202012Validator, FormatChecker
    from openlineage.client.generated import base

    schema = json.loads(Path(__file__).with_name("openlineage.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    checker = Draft202012Validator(schema, format_checker=FormatChecker())
    seen: set[str] = set()
    lines = file.read_text().splitlines()
    for line in lines:
        event = json.loads(line)
        checker.validate(event)
        claimed = event.pop("schemaURL")
        event["run"] = base.Run(event["run"]["runId"], _facets(event["run"]["facets"], seen))
        job = event["job"]
        event["job"] = base.Job(job["namespace"], job["name"], _facets(job["facets"], seen))
        for name, kind in (("inputs", base.InputDataset), ("outputs", base.OutputDataset)):
            event[name] = [
                kind(each["namespace"], each["name"], facets=_facets(each["facets"], seen)) for each in event[name]
            ]
        event["eventType"] = base.EventType(event["eventType"])
        assert base.RunEvent(**event).schemaURL == claimed
    return {"events": len(lines), "facets": len(seen)}


def _facets(facets: dict[str, Any], seen: set[str]) -> dict[str, Any]:
    built = {}
    for name, content in facets.items():
        place, parts = FACETS[name]
        module_name, _, kind = place.partition(".")
        module = importlib.import_module(f"openlineage.client.generated.{module_name}")
        values = {key.removeprefix("_"): value for key, value in content.items()}
        claimed = values.pop("schemaURL")
        for key, part in parts.items():
            known = getattr(module, part)
            is_list = isinstance(values[key], list)
            values[key] = [known(**each) for each in values[key]] if is_list else known(**values[key])
        built[name] = getattr(module, kind)(**values)
        assert built[name]._schemaURL == claimed, (name, claimed)  # the version that this client speaks
        seen.add(name)
    return built


def read_croissant(file: Path) -> dict[str, Any]:
    """Validate the description, and read the rows that it leads to."""
    import mlcroissant

    dataset = mlcroissant.Dataset(jsonld=str(file))
    issues = dataset.metadata.ctx.issues
    assert not issues.errors, issues.report()
    missing = sorted(re.findall(r'/(\w+)" is recommended', issues.report()))
    return {"warnings": missing, **{name: _rows(dataset.records(name)) for name in ("molecules", "blocks")}}


def _rows(records: Any) -> list[dict[str, Any]]:
    return [{name.partition("/")[2]: _plain(value) for name, value in record.items()} for record in records]


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.item() if hasattr(value, "item") else value


def read_card(file: Path) -> dict[str, Any]:
    """Read the header as Hugging Face's Hub does; its own check of it needs the Hub, and is not asked."""
    from huggingface_hub import ModelCard

    card = ModelCard.load(file)
    results = card.data.eval_results or []
    data: Any = card.data  # its methods have no types
    again: Any = ModelCard(str(card)).data
    assert again.to_dict() == data.to_dict(), "nothing is lost when it is written again"
    header = {name: value for name, value in data.to_dict().items() if name != "model-index"}
    measured = [[each.task_name, each.dataset_name, each.metric_type, each.metric_value] for each in results]
    return {"header": header, "measured": measured, "text": card.text}


def read_registry(file: Path) -> dict[str, Any]:
    """Ask a registry, whose address is the content of the file, through Kubeflow's own client."""
    from model_registry import ModelRegistry

    address, name, version = file.read_text().split()
    client = ModelRegistry(address, author="reader", is_secure=False, user_token="token")  # noqa: S106 - of a stub
    found, artifact = client.get_model_version(name, version), client.get_model_artifact(name, version)
    assert found is not None
    assert artifact is not None
    return {"properties": found.custom_properties, "uri": artifact.uri, "format": artifact.model_format_name}


if __name__ == "__main__":
    print(json.dumps(globals()[f"read_{sys.argv[1]}"](Path(sys.argv[2]))))  # noqa: T201
