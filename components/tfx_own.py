"""TFX's own components as the pipeline uses them without any change but that they record what they leave."""

from tfx.components import BulkInferrer, ExampleValidator, Trainer
from tfx.components.bulk_inferrer.executor import Executor as PlainBulkInferrerExecutor
from tfx.components.example_validator.executor import Executor as PlainExampleValidatorExecutor
from tfx.components.trainer.executor import GenericExecutor
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec, ExecutorClassSpec

from components.recording import recorded


@recorded
class TrainerExecutor(GenericExecutor):
    """The executor of Trainer."""


@recorded
class BulkInferrerExecutor(PlainBulkInferrerExecutor):
    """The executor of BulkInferrer."""


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
