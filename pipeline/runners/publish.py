"""Put what the nodes produced where users look for it: submission.csv, metrics.json, report.html, lists of rows."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from belka.contract import (
    ANOMALIES_FILE,
    CONFLICTS_FILE,
    ENRICHMENT_FILE,
    EVALUATION_FILE,
    METRICS_FILE,
    REJECTED_FILE,
    REPORT_FILE,
    SUBMISSION_FILE,
    SUMMARY_FILE,
    TRANSFORM_SUMMARY_FILE,
    Node,
)
from belka.files import atomic_path
from belka.provenance import check_whole
from belka.rejections import collect_rejected
from belka.state_files import read_or_set_aside, read_state, write_state
from pipeline.runners.outcomes import NodeOutcome

_COPIED: Final = (
    (Node.PARQUET_MERGE, "molecules", CONFLICTS_FILE),
    (Node.BLOCK_STATISTICS, "block_statistics", ENRICHMENT_FILE),
    (Node.SUBMISSION_WRITER, "submission", SUBMISSION_FILE),
    (Node.AFFINITY_EVALUATOR, "evaluation", REPORT_FILE),
)

# metrics.json key -> (node, output, file) of the summaries the nodes write.
_SUMMARIES: Final = {
    "data": (Node.PARQUET_MERGE, "molecules", SUMMARY_FILE),
    "data_validation": (Node.ANOMALY_GATE, "report", ANOMALIES_FILE),
    "examples": (Node.MOLECULE_TRANSFORM, "rejected", TRANSFORM_SUMMARY_FILE),
    "evaluation": (Node.AFFINITY_EVALUATOR, "evaluation", EVALUATION_FILE),
    "submission": (Node.SUBMISSION_WRITER, "submission", SUMMARY_FILE),
}


def publish_results(
    outcomes: Mapping[str, NodeOutcome], run_steps: Mapping[str, Mapping[str, Any]], output_dir: Path
) -> dict[str, Any]:
    """Copy the results of the nodes that have any to the output directory, each atomically.

    Args:
        outcomes: Last finished execution by node id.
        run_steps: State, seconds and memory of the nodes of this run; merged over those of earlier runs.
        output_dir: The folder users look into.

    Returns:
        The content of metrics.json.
    """
    for node, output, name in _COPIED:
        if source := output_file(outcomes, node, output, name):
            with atomic_path(output_dir / name) as temporary:
                shutil.copyfile(source, temporary)
        elif node in outcomes:
            # That of an earlier run is not of this one.
            (output_dir / name).unlink(missing_ok=True)
    lists = [
        path
        for node, output in ((Node.PARQUET_MERGE, "molecules"), (Node.MOLECULE_TRANSFORM, "rejected"))
        if (path := output_file(outcomes, node, output, REJECTED_FILE))
    ]
    rejected = collect_rejected(lists, output_dir / REJECTED_FILE) if lists else {}
    metrics_file = output_dir / METRICS_FILE
    earlier = read_or_set_aside(metrics_file).get("steps", {})
    metrics: dict[str, Any] = {
        key: _summary(path) for key, source in _SUMMARIES.items() if (path := output_file(outcomes, *source))
    }
    metrics["rejected"] = rejected
    metrics["steps"] = {**(earlier if isinstance(earlier, dict) else {}), **run_steps}
    write_state(metrics_file, metrics)
    return metrics


def _summary(file: Path) -> dict[str, Any]:
    return read_state(
        file,
        problem="The summary of a step cannot be read.",
        expected="the file as the step wrote it",
        action="Run the step that makes the folder again: belka step ... --no-resume.",
    )


def output_file(outcomes: Mapping[str, NodeOutcome], node: str, output: str, name: str) -> Path | None:
    """A file of a node's last output, checked against its digest.

    Args:
        outcomes: Last finished execution by node id.
        node: Node id.
        output: Name of the output.
        name: Name of the file.

    Returns:
        The file; None where the node did not run, or wrote no such file.

    Raises:
        DamagedError: It is not as the node wrote it.
    """
    outcome = outcomes.get(node)
    folder = outcome.outputs.get(output) if outcome else None
    if folder is None or not (folder / name).is_file():
        return None
    check_whole(folder, [name])
    return folder / name
