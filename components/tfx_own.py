"""TFX's own components as the pipeline uses them without any change but that they record what they leave."""

from functools import cache
from pathlib import Path
from typing import Any, Final

from tfx.components import BulkInferrer, ExampleValidator, Trainer
from tfx.components.bulk_inferrer import prediction_to_example_utils
from tfx.components.bulk_inferrer.executor import Executor as PlainBulkInferrerExecutor
from tfx.components.example_validator.executor import Executor as PlainExampleValidatorExecutor
from tfx.components.trainer.executor import GenericExecutor
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec, ExecutorClassSpec

from belka.examples import known_total, list_examples
from belka.progress import Tracker, expect
from components.recording import recorded

SCORING: Final = "scoring"  # what an inferrer does, for progress
_convert: Final = prediction_to_example_utils.convert


@recorded
class TrainerExecutor(GenericExecutor):
    """The executor of Trainer."""


@recorded
class BulkInferrerExecutor(PlainBulkInferrerExecutor):
    """The executor of BulkInferrer, which tells how far it is."""

    def _run_model_inference(self, data_spec: Any, *rest: Any) -> None:
        files = [file for each in rest[1] for split in data_spec.example_splits for file in _files(each.uri, split)]
        total = known_total(files)
        if total is not None:
            expect(SCORING, "molecules", total)
        _scored.cache_clear()
        # TFX takes the function from its module when it builds the Beam pipeline, and so pickles ours, by its name.
        prediction_to_example_utils.convert = counted_convert
        try:
            super()._run_model_inference(data_spec, *rest)
        finally:
            prediction_to_example_utils.convert = _convert


def counted_convert(prediction_log: Any, output_example_spec: Any) -> Any:
    """TFX's conversion of a prediction into an Example, counted.

    Args:
        prediction_log: What the model said of one Example.
        output_example_spec: How it becomes an Example.
    """
    _scored().add()
    return _convert(prediction_log, output_example_spec)


@cache
def _scored() -> Tracker:
    """The counter of this process."""
    return Tracker(SCORING, "molecules")


def _files(uri: str, split: str) -> list[Path]:
    return list_examples(Path(uri), split)


@recorded
class ExampleValidatorExecutor(PlainExampleValidatorExecutor):
    """The executor of ExampleValidator."""


class RecordedTrainer(Trainer):
    """Trainer."""

    EXECUTOR_SPEC = ExecutorClassSpec(TrainerExecutor)


class RecordedBulkInferrer(BulkInferrer):
    """BulkInferrer."""

    EXECUTOR_SPEC = BeamExecutorSpec(BulkInferrerExecutor)


class RecordedExampleValidator(ExampleValidator):
    """ExampleValidator."""

    EXECUTOR_SPEC = ExecutorClassSpec(ExampleValidatorExecutor)
