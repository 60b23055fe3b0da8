"""OpenLineage: what each step read, made and ran with, as the events that lineage servers take.

Source: https://openlineage.io/spec/2-0-2/OpenLineage.json and the facets whose addresses stand below; names of data
sets as https://openlineage.io/docs/spec/naming has them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import quote, urlsplit
from uuid import NAMESPACE_URL, UUID, uuid5

from belka.provenance import Provenance, Record
from pipeline.config.flat import flat
from pipeline.interchange.recorded import columns_of

_SPECIFICATION: Final = "https://openlineage.io/spec"
_JOBS: Final = "belka"  # the namespace of our steps, and the job that holds them
_RUNS: Final = uuid5(NAMESPACE_URL, _JOBS)
# Facet -> version and name of its schema.
_SCHEMAS: Final = {
    "executionParameters": "1-0-0/ExecutionParametersRunFacet",
    "jobType": "2-0-4/JobTypeJobFacet",
    "parent": "1-2-0/ParentRunFacet",
    "processing_engine": "1-1-1/ProcessingEngineRunFacet",
    "schema": "1-2-0/SchemaDatasetFacet",
    "sourceCodeLocation": "1-1-0/SourceCodeLocationJobFacet",
    "tags": "1-0-0/TagsRunFacet",
    "version": "1-0-1/DatasetVersionDatasetFacet",
}


def run_events(known: Provenance) -> Iterator[dict[str, Any]]:
    """Tell of every step that led to a folder.

    Args:
        known: Its provenance.

    Yields:
        START and COMPLETE of each step, in the order of the records. Steps recorded by earlier versions, which did not
        keep when they began, have no START. Equal for equal provenance.
    """
    made = {(record.uri, record.digest): record for record in known.history}
    for records in _by_execution(known.history):
        first = records[0]
        told = {
            "producer": _producer(version("belka")),
            "schemaURL": f"{_SPECIFICATION}/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "run": {"runId": _run_id(first), "facets": _facets(_run_facets(first))},
            "job": {"namespace": _JOBS, "name": first.step, "facets": _facets(_job_facets(first))},
            "inputs": _unique(each for record in records for each in _inputs(record, made)),
        }
        if first.started:
            yield {"eventType": "START", "eventTime": first.started, **told, "outputs": []}
        outputs = _unique(each for record in records for each in _outputs(record))
        yield {"eventType": "COMPLETE", "eventTime": first.finished, **told, "outputs": outputs}


def _by_execution(history: Sequence[Record]) -> list[list[Record]]:
    """The records of one execution, which has one for each of its outputs."""
    executions: dict[tuple[str, str, str], list[Record]] = {}
    for record in history:
        executions.setdefault((record.step, record.run, record.finished), []).append(record)
    return list(executions.values())


def _run_id(record: Record) -> str:
    inputs = sorted(f"{each.name} {each.uri} {each.digest}" for each in record.inputs)
    return str(uuid5(_RUNS, json.dumps([record.step, record.run, record.finished, inputs])))


def _run_facets(record: Record) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "processing_engine", {"name": _JOBS, "version": version("belka")}
    parameters = [{"key": name, "value": value} for name, value in flat(record.settings)]
    yield "executionParameters", {"parameters": parameters}
    libraries = [{"key": f"library.{name}", "value": each} for name, each in record.libraries.items()]
    yield "tags", {"tags": libraries}
    if record.run:
        whole: UUID = uuid5(_RUNS, record.run)
        yield "parent", {"run": {"runId": str(whole)}, "job": {"namespace": _JOBS, "name": _JOBS}}


def _job_facets(record: Record) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "jobType", {"processingType": "BATCH", "integration": "BELKA", "jobType": "TASK"}
    if record.code_version:
        # Digests of the sources name the code; which repository holds them is not known to an installed package.
        code = {"type": "package", "url": _producer(record.code_version), "version": record.code_version}
        yield "sourceCodeLocation", code


def _inputs(record: Record, made: Mapping[tuple[str, str], Record]) -> Iterator[dict[str, Any]]:
    for each in record.inputs:
        if record.raw_files and each.name == "raw_dir":
            for name, digest in record.raw_files.items():
                yield _data_set(f"{each.uri.rstrip('/')}/{name}", digest)
        else:
            yield _data_set(each.uri, each.digest, made.get((each.uri, each.digest)))


def _outputs(record: Record) -> Iterator[dict[str, Any]]:
    yield _data_set(record.uri, record.digest, record)
    for uri, digest in record.delivered.items():
        yield _data_set(uri, digest)


def _data_set(uri: str, digest: str, record: Record | None = None) -> dict[str, Any]:
    facets: list[tuple[str, dict[str, Any]]] = [("version", {"datasetVersion": digest})]
    if record is not None and (columns := columns_of(record)) is not None:
        fields = [{"name": each.name, "type": str(each.type)} for each in columns]
        facets.append(("schema", {"fields": fields}))
    place = urlsplit(uri)
    named = {"namespace": "file", "name": uri}
    if place.netloc:
        named = {"namespace": f"{place.scheme}://{place.netloc}", "name": place.path.lstrip("/")}
    return {**named, "facets": _facets(facets)}


def _facets(facets: Iterator[tuple[str, dict[str, Any]]] | Sequence[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """Facets with what each of them carries."""
    told = {}
    for name, content in facets:
        schema = f"{_SPECIFICATION}/facets/{_SCHEMAS[name]}.json#/$defs/{_SCHEMAS[name].partition('/')[2]}"
        told[name] = {"_producer": _producer(version("belka")), "_schemaURL": schema, **content}
    return told


def _producer(named: str) -> str:
    """A package URL: https://github.com/package-url/purl-spec."""
    return f"pkg:generic/belka@{quote(named, safe='')}"


def _unique(data_sets: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each data set once: two outputs of a step name the same inputs."""
    return list({(each["namespace"], each["name"]): each for each in data_sets}.values())
