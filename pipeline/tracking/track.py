"""Tell a tracking server of a run: one run there, a child for each training stage, the pushed model."""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import yaml

from belka.contract import FEATURE_BLOCKS, FEATURE_ECFP, SIGNATURE_FEATURES, SIGNATURE_SMILES, SMILES, probability_name
from belka.models.description import ModelDescription, read_description, unreadable_description
from pipeline.config.settings import Config
from pipeline.tracking.begun import BegunRun, BegunRuns
from pipeline.tracking.record import Metric, RunRecord, read_run
from pipeline.tracking.server import MlflowServer

PARENT_TAG: Final = "mlflow.parentRunId"  # by which MLflow shows a run below another
DIGEST_TAG: Final = "belka.digest"
LIVE_TAG: Final = "belka.live"  # machine and output directory of a run that goes on; empty once it has ended
_MODEL_NAME: Final = "belka"
_SAVED_MODEL_FOLDER: Final = "tfmodel"

logger = logging.getLogger(__name__)


def tell(config: Config, uri: str, begun: BegunRuns | None = None) -> str:
    """Tell a server of the last run in an output directory, unless it was told of it before.

    Args:
        config: The configuration that it ran with.
        uri: Address of an MLflow server.
        begun: What the server knows of it already.

    Returns:
        Id of the run there.

    Raises:
        BelkaError: The server does not answer, or refuses.
    """
    return track_run(MlflowServer(uri), config.tracking.experiment, read_run(config), begun)


def track_run(server: MlflowServer, experiment: str, record: RunRecord, begun: BegunRuns | None = None) -> str:
    """Tell a server of a run, unless it was told of it before.

    Args:
        server: The server.
        experiment: Name of the experiment there.
        record: What it is told.
        begun: What it knows already, see `tell`.

    Returns:
        Id of the run there.

    Raises:
        BelkaError: The server does not answer, or refuses.
    """
    begun = begun or BegunRuns()
    folder = server.experiment(experiment)
    known = server.find_run(folder, DIGEST_TAG, record.digest)
    if known:
        for again in begun.ids():
            server.delete_run(again)
        return known
    run = _tell(server, folder, record, {}, begun.run)
    for stage in record.stages:
        child = _tell(server, folder, stage, {PARENT_TAG: run}, begun.stages.get(stage.name))
        server.end_run(child, now())
    if record.model is not None:
        _tell_model(server, folder, run, record.model)
    # The last thing said: what comes before may be cut off by a kill, and is told anew then.
    server.tag(run, DIGEST_TAG, record.digest)
    server.end_run(run, now())
    return run


def log_metrics(server: MlflowServer, run: str, metrics: Sequence[Metric]) -> None:
    """Add numbers to a run."""
    at = now()
    server.log(run, [{"key": m.name, "value": m.value, "step": m.step, "timestamp": at} for m in metrics], {})


def _tell(
    server: MlflowServer, experiment: str, record: RunRecord, tags: Mapping[str, str], begun: BegunRun | None
) -> str:
    tags = {**record.tags, **tags}
    if begun is None:
        begun = BegunRun(server.start_run(experiment, record.name, tags, now()))
    else:
        for name, value in {**tags, LIVE_TAG: ""}.items():
            server.tag(begun.run, name, value)
    log_metrics(server, begun.run, [metric for metric in record.metrics if metric.step > begun.told])
    server.log(begun.run, [], record.params)
    _upload(server, begun.info, {file.name: file for file in record.files})
    return begun.run


def _tell_model(server: MlflowServer, experiment: str, run: str, model: Path) -> None:
    info = server.start_model(experiment, run, _MODEL_NAME)
    files = {
        f"{_SAVED_MODEL_FOLDER}/{path.relative_to(model)}": path for path in sorted(model.rglob("*")) if path.is_file()
    }
    with TemporaryDirectory() as folder:
        described = Path(folder) / "MLmodel"
        described.write_text(yaml.safe_dump(_mlmodel(model, run, str(info["model_id"]))), encoding="utf-8")
        _upload(server, info, {**files, described.name: described})
    server.end_model(str(info["model_id"]), run)


def _mlmodel(model: Path, run: str, model_id: str) -> dict[str, Any]:
    """MLflow's description of a SavedModel, so that `mlflow.pyfunc.load_model` serves it with TensorFlow alone."""
    description = read_description(model)
    if description is None:
        raise unreadable_description(model, "no file")
    inputs = _inputs(description)
    outputs = [{"name": probability_name(target), "type": "float", "required": True} for target in description.targets]
    flavor = {
        "code": None,
        "saved_model_dir": _SAVED_MODEL_FOLDER,
        "model_type": "tf1-estimator",  # MLflow's name for: call a signature of a SavedModel
        "meta_graph_tags": ["serve"],
        "signature_def_key": SIGNATURE_FEATURES if len(description.members) > 1 else SIGNATURE_SMILES,
    }
    loader = {"loader_module": "mlflow.tensorflow", "python_version": "3.11.0", "env": {}}
    return {
        "flavors": {"tensorflow": flavor, "python_function": loader},
        "model_id": model_id,
        "run_id": run,
        "signature": {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs), "params": None},
    }


def _inputs(description: ModelDescription) -> list[dict[str, Any]]:
    names = [SMILES]
    names += [FEATURE_ECFP] if description.reads_ecfp else []
    names += [FEATURE_BLOCKS] if len(description.members) > 1 else []
    return [{"name": name, "type": "string" if name == SMILES else "binary", "required": True} for name in names]


def _upload(server: MlflowServer, info: Mapping[str, Any], files: dict[str, Path]) -> None:
    if server.takes_files(str(info["artifact_uri"])):
        server.upload(str(info["artifact_uri"]), files)
    elif files:
        logger.warning(
            "The tracking server keeps files at %s, which its own clients alone reach; not stored there: %s.",
            info["artifact_uri"],
            ", ".join(files),
        )


def now() -> int:
    """The time, milliseconds since 1970."""
    return round(time.time() * 1000)
