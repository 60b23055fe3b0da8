"""A pipeline with every kind of node that the real one has: own artifact type, Beam, Trainer, value as parameter."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import apache_beam as beam
import tensorflow as tf
from tfx.dsl.component.experimental.annotations import (
    BeamComponentParameter,
    InputArtifact,
    OutputArtifact,
    OutputDict,
    Parameter,
)
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.dsl.experimental.conditionals.conditional import Cond
from tfx.orchestration.data_types import RuntimeParameter
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import trainer_pb2
from tfx.types.standard_artifacts import Examples, Model, ModelEvaluation

from belka.errors import InputError
from components.artifact_types import Artifacts, Molecules
from components.engine_folder import on_engine
from components.recording import recorded_component, versioned
from components.tfx_own import RecordedTrainer
from pipeline.runners.kubeflow.displays import HTML, METRICS, Display

DISPLAYS = {
    "judge": (
        Display("metrics", METRICS, "evaluation", "evaluation.json"),
        Display("report", HTML, "evaluation", "report.html"),
    )
}

KILL_ONCE = "BELKA_TOY_KILL_ONCE"


@recorded_component
def MakeMolecules(  # noqa: N802 - TFX names a component after its function
    molecules: OutputArtifact[Molecules],
    raw_dir: Parameter[str],
    count: Parameter[int],
    shout: Parameter[bool] = False,
    fail_until: Parameter[int] = 0,
    raw_fingerprint: Parameter[str] = "",
    settings: Parameter[str] = "{}",
) -> None:
    """Write `count` lines; fail in the first `fail_until` attempts."""
    del raw_fingerprint
    if shout is not True and shout is not False:
        msg = f"shout is {shout!r}, not a boolean"
        raise TypeError(msg)
    attempts = Path(raw_dir) / "attempts"
    seen = len(attempts.read_text(encoding="utf-8")) if attempts.exists() else 0
    attempts.write_text("x" * (seen + 1), encoding="utf-8")
    if seen < fail_until:
        raise InputError("the toy fails as it was told to", received=f"attempt {seen + 1}", action="try again")
    word = "MOL" if shout else "mol"
    Path(molecules.uri, "molecules.txt").write_text("".join(f"{word}{i}\n" for i in range(count)), encoding="utf-8")
    molecules.set_string_custom_property("word", word)
    Path(molecules.uri, "settings.json").write_text(settings, encoding="utf-8")


@component(use_beam=True)
def CountMolecules(  # noqa: N802
    molecules: InputArtifact[Molecules],
    examples: OutputArtifact[Examples],
    beam_pipeline: BeamComponentParameter[beam.Pipeline] = None,
) -> OutputDict(total=int):  # type: ignore[valid-type]
    """Copy the lines with Beam and count them."""
    lines = Path(molecules.uri, "molecules.txt").read_text(encoding="utf-8").split()
    folder = Path(examples.uri, "Split-train")
    folder.mkdir(parents=True)
    with beam_pipeline as root:
        _ = root | beam.Create(lines) | beam.io.WriteToText(str(folder / "part"), shard_name_template="")
    examples.split_names = '["train"]'
    assert molecules.get_string_custom_property("word") in lines[0]
    return {"total": len(lines)}


_CountExecutor: Any = CountMolecules.EXECUTOR_SPEC.executor_class


class CountingExecutor(_CountExecutor):
    """Counts on whatever runs Beam; its pod is killed once where `KILL_ONCE` names a file that does not exist."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:  # noqa: N802
        """Count."""
        with on_engine(self._beam_pipeline_args, input_dict, output_dict) as readable:
            killed = Path(os.environ.get(KILL_ONCE, os.devnull))
            if not killed.exists():
                killed.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            super().Do(readable, output_dict, exec_properties)


CountMolecules.EXECUTOR_SPEC = BeamExecutorSpec(CountingExecutor)


def run_fn(fn_args: Any) -> None:
    """What the standard Trainer calls."""
    files = [file for pattern in fn_args.train_files for file in tf.io.gfile.glob(pattern)]
    lines = [line for file in files for line in Path(file).read_text(encoding="utf-8").split()]
    folder = Path(fn_args.serving_model_dir)
    folder.mkdir(parents=True)
    content = {"lines": sorted(lines), "factor": fn_args.custom_config["factor"]}
    (folder / "model.json").write_text(json.dumps(content), encoding="utf-8")


@recorded_component
def Judge(  # noqa: N802
    model: InputArtifact[Model],
    evaluation: OutputArtifact[ModelEvaluation],
    total: Parameter[int],
    share: Parameter[float] = 0.5,
) -> None:
    """Write numbers and a page."""
    content = json.loads(Path(model.uri, "Format-Serving", "model.json").read_text(encoding="utf-8"))
    value = len(content["lines"]) * content["factor"] * share
    result = {"value": value, "total": total, "by": {"target": {"BRD4": 0.25}}, "name": "toy"}
    Path(evaluation.uri, "evaluation.json").write_text(json.dumps(result), encoding="utf-8")
    Path(evaluation.uri, "report.html").write_text("<p>toy</p>", encoding="utf-8")


def toy_pipeline(raw_dir: str, fail_until: int = 0, *, enable_cache: bool = True) -> Pipeline:
    """The pipeline; `raw_dir` receives a file that counts attempts."""
    settings = json.dumps({"system": {"seed": 42}})
    make = MakeMolecules(raw_dir=raw_dir, count=3, shout=True, fail_until=fail_until, settings=settings).with_id(
        "make-molecules"
    )
    count = CountMolecules(molecules=make.outputs["molecules"]).with_id("count-molecules")
    trainer = RecordedTrainer(
        run_fn="kubeflow_toy.run_fn",
        examples=count.outputs["examples"],
        train_args=trainer_pb2.TrainArgs(splits=["train"]),
        eval_args=trainer_pb2.EvalArgs(splits=["train"]),
        custom_config={"factor": 2},
    ).with_id("trainer-clf")
    share = RuntimeParameter("share", float, 0.5)
    judge = Judge(model=trainer.outputs["model"], total=count.outputs["total"].future()[0].value, share=share).with_id(
        "judge"
    )
    return Pipeline(
        pipeline_name="toy",
        pipeline_root="unused",
        components=[versioned(make), count, versioned(trainer), versioned(judge)],
        enable_cache=enable_cache,
        beam_pipeline_args=["--runner=FnApiRunner", "--direct_running_mode=in_memory"],
    )


def conditional_pipeline(raw_dir: str, word: str) -> Pipeline:
    """Two tasks, of which the second runs when the first has written `word` (it writes MOL), and a third behind it."""
    make = MakeMolecules(raw_dir=raw_dir, count=3, shout=True).with_id("make-molecules")
    with Cond(make.outputs["molecules"].future()[0].custom_property("word") == word):
        count = CountMolecules(molecules=make.outputs["molecules"]).with_id("count-molecules")
    again = MakeMolecules(raw_dir=raw_dir, count=count.outputs["total"].future()[0].value).with_id("again")
    return Pipeline(
        pipeline_name="conditional",
        pipeline_root="unused",
        components=[make, count, again],
        enable_cache=True,
        beam_pipeline_args=["--runner=FnApiRunner", "--direct_running_mode=in_memory"],
    )
