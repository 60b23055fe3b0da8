"""TFX's own components as the pipeline uses them without any change but that they record what they leave."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

from tfx.components import BulkInferrer, ExampleValidator, Trainer
from tfx.components.bulk_inferrer import prediction_to_example_utils
from tfx.components.bulk_inferrer.executor import Executor as PlainBulkInferrerExecutor
from tfx.components.example_validator.executor import Executor as PlainExampleValidatorExecutor
from tfx.components.trainer.executor import GenericExecutor
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec, ExecutorClassSpec
from tfx.proto import bulk_inferrer_pb2
from tfx.types.standard_component_specs import DATA_SPEC_KEY
from tfx.utils import proto_utils
from tfx_bsl.beam import run_inference
from tfx_bsl.public.proto.model_spec_pb2 import InferenceSpecType

from belka.examples import known_total, list_examples
from belka.progress import Tracker, expect
from components.artifact_types import Artifacts
from components.engine_folder import on_engine
from components.recording import recorded

BATCH_ROWS: Final = 1_024  # scored at a time; the last of a bundle are fewer
SCORING: Final = "scoring"  # what an inferrer does, for progress
_convert: Final = prediction_to_example_utils.convert


@recorded
class TrainerExecutor(GenericExecutor):
    """The executor of Trainer."""


@recorded
class BulkInferrerExecutor(PlainBulkInferrerExecutor):
    """The executor of BulkInferrer, which tells how far it is, here or on an engine elsewhere."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:  # noqa: N802
        """Score the Examples.

        Args:
            input_dict: `examples`, `model`.
            output_dict: `output_examples`.
            exec_properties: Those of BulkInferrer.
        """
        splits = proto_utils.json_to_proto(exec_properties[DATA_SPEC_KEY], bulk_inferrer_pb2.DataSpec()).example_splits
        with on_engine(self._beam_pipeline_args, input_dict, output_dict, splits=splits) as readable:
            super().Do(readable, output_dict, exec_properties)

    def _get_inference_spec(self, model_path: str, exec_properties: dict[str, Any]) -> InferenceSpecType:
        """TFX's, with batches of one size: Beam's own follow its clock, and other batches move a score's last bit."""
        spec = super()._get_inference_spec(model_path, exec_properties)
        spec.batch_parameters.min_batch_size = spec.batch_parameters.max_batch_size = BATCH_ROWS
        return spec

    def _run_model_inference(self, data_spec: Any, *rest: Any) -> None:
        files = [file for each in rest[1] for split in data_spec.example_splits for file in _files(each.uri, split)]
        total = known_total(files)
        if total is not None:
            expect(SCORING, "molecules", total)
        _scored.cache_clear()
        # TFX takes the function from its module when it builds the Beam pipeline, and so pickles ours, by its name.
        prediction_to_example_utils.convert = counted_convert
        try:
            with _batches_as_asked():
                super()._run_model_inference(data_spec, *rest)
        finally:
            prediction_to_example_utils.convert = _convert


@contextmanager
def _batches_as_asked() -> Iterator[None]:
    """Have the sizes of batches reach Beam while a pipeline is built: tfx_bsl 1.21 wraps the handler that has them."""
    wrapper = run_inference._ModelHandlerWrapper  # noqa: SLF001 - it has no public name
    wrapper.batch_elements_kwargs = lambda self: self._model_handler.batch_elements_kwargs()
    try:
        yield
    finally:
        del wrapper.batch_elements_kwargs


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
