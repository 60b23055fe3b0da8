"""The TFX component SubmissionWriter."""

import json
from dataclasses import asdict
from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.types.standard_artifacts import Examples

from belka.contract import REJECTED_FILE, SUBMISSION_FILE, SUMMARY_FILE, TEST_ALIASES_FILE
from belka.files import atomic_path
from belka.raw_directory import named_content
from belka.settings import DataSettings, NodeSettings
from components.artifact_types import Molecules, Rejections, Submission
from components.recording import read_raw_files, recorded_component
from components.submission_writer.write import write_submission


@recorded_component
def SubmissionWriter(  # noqa: N802 - TFX names a component after its function, and takes no keyword-only arguments
    predictions: InputArtifact[Examples],
    molecules: InputArtifact[Molecules],
    rejected: InputArtifact[Rejections],
    submission: OutputArtifact[Submission],
    settings: Parameter[str],
    raw_digest: Parameter[str] = "",
    raw_dir: Parameter[str] = "",
) -> None:
    """Write submission.csv from the predictions of the test split, and summary.json beside it.

    Args:
        predictions: BulkInferrer's `output_examples`, with the split `test`.
        molecules: From ParquetMerge: the rows it refused, and the ids that share a prediction with another.
        rejected: From MoleculeTransform: the molecules it refused.
        submission: Receives `submission.csv` and `summary.json`.
        settings: Section `data`, see `belka.settings.NodeSettings`.
        raw_digest: Digest of the raw files' content, a part of the cache key; a name of it is replaced by the digest.
        raw_dir: Folder of the raw files, in place of `data.raw_dir`, which is no part of the cache key.
    """
    data = NodeSettings(settings).section("data", DataSettings)
    folder = Path(raw_dir or data.raw_dir)
    read_raw_files(submission, folder, named_content(folder, data, raw_digest))
    summary = write_submission(
        Path(predictions.uri),
        folder,
        [Path(artifact.uri) / REJECTED_FILE for artifact in (molecules, rejected)],
        Path(submission.uri) / SUBMISSION_FILE,
        aliases=Path(molecules.uri) / TEST_ALIASES_FILE,
        data=data,
    )
    with atomic_path(Path(submission.uri) / SUMMARY_FILE) as temporary:
        temporary.write_text(json.dumps(asdict(summary), indent=2) + "\n", encoding="utf-8")
