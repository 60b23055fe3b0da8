"""TFX's data validation, as far as it needs more than TFX's own components."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from tfx import types
from tfx.components.distribution_validator.executor import Executor as DistributionValidatorExecutor
from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.components.schema_gen.import_schema_gen.executor import Executor as ImportSchemaGenExecutor
from tfx.components.statistics_gen.executor import SAMPLE_RATE_BY_SPLIT_PROPERTY_NAME
from tfx.components.statistics_gen.executor import Executor as StatisticsGenExecutor
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec, ExecutorClassSpec
from tfx.proto import distribution_validator_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.types.component_spec import ChannelParameter
from tfx.types.standard_artifacts import ExampleAnomalies, ExampleStatistics
from tfx.utils import json_utils, proto_utils

from belka.beam_flags import IN_THIS_PROCESS
from belka.settings import NodeSettings
from components.artifact_types import AnomalyReport, Artifacts
from components.data_validation.check import check_anomalies
from components.data_validation.sampling import sampled_examples
from components.data_validation.settings import DataValidationSettings
from components.engine_folder import on_engine
from components.recording import recorded, recorded_component

SCHEMA_FILE = "schema.pbtxt"


@recorded
class ShardStatisticsExecutor(StatisticsGenExecutor):
    """The executor of StatisticsGen over a sample of the shards: `sample_rate_by_split` is the share that is read."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:  # noqa: N802
        """Compute the statistics.

        Args:
            input_dict: `examples`, `schema`.
            output_dict: `statistics`.
            exec_properties: Those of StatisticsGen, with a rate for every split.
        """
        rate_key = standard_component_specs.SAMPLE_RATE_BY_SPLIT_KEY
        examples = artifact_utils.get_single_instance(input_dict[standard_component_specs.EXAMPLES_KEY])
        rates = json_utils.loads(exec_properties[rate_key])
        with sampled_examples(Path(examples.uri), rates) as folder:
            sample = copy.deepcopy(examples)
            sample.uri = str(folder)
            inputs = {**input_dict, standard_component_specs.EXAMPLES_KEY: [sample]}
            with on_engine(self._beam_pipeline_args, inputs, output_dict) as readable:
                super().Do(readable, output_dict, {**exec_properties, rate_key: "null"})
        statistics = artifact_utils.get_single_instance(output_dict[standard_component_specs.STATISTICS_KEY])
        statistics.set_json_value_custom_property(SAMPLE_RATE_BY_SPLIT_PROPERTY_NAME, json_utils.dumps(rates))


@recorded
class PackagedSchemaExecutor(ImportSchemaGenExecutor):
    """The executor of ImportSchemaGen for a schema of this package, wherever the package is installed."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:  # noqa: N802
        """Copy the schema.

        Args:
            input_dict: Nothing.
            output_dict: `schema`.
            exec_properties: `schema_file`: name of a file in this package.
        """
        key = standard_component_specs.SCHEMA_FILE_KEY
        path = Path(__file__).parent / exec_properties[key]
        super().Do(input_dict, output_dict, {**exec_properties, key: str(path)})


@recorded
class DriftValidatorExecutor(DistributionValidatorExecutor):
    """The executor of DistributionValidator that compares the splits of one artifact of statistics.

    It also reads its configuration as JSON, as Kubeflow Pipelines has it.
    """

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:  # noqa: N802
        """Compare the statistics of pairs of splits.

        Args:
            input_dict: `statistics`.
            output_dict: `anomalies`.
            exec_properties: Those of DistributionValidator; the configuration as a message or as JSON.
        """
        key = standard_component_specs.DISTRIBUTION_VALIDATOR_CONFIG_KEY
        config = exec_properties[key]
        if isinstance(config, str):
            config = proto_utils.json_to_proto(config, distribution_validator_pb2.DistributionValidatorConfig())
        statistics = input_dict[standard_component_specs.STATISTICS_KEY]
        inputs = {**input_dict, standard_component_specs.BASELINE_STATISTICS_KEY: statistics}
        super().Do(inputs, output_dict, {**exec_properties, key: config})


class ShardStatisticsGen(BaseBeamComponent):
    """StatisticsGen over a sample of the shards of each split.

    Args:
        examples: From MoleculeTransform.
        schema: Tells which features are bytes and which are numbers.
        sample_rates: Split -> share of its shards that is read, see `sample_shards`.
    """

    SPEC_CLASS = standard_component_specs.StatisticsGenSpec
    EXECUTOR_SPEC = BeamExecutorSpec(ShardStatisticsExecutor)

    def __init__(
        self, examples: types.BaseChannel, schema: types.BaseChannel, *, sample_rates: Mapping[str, float]
    ) -> None:
        super().__init__(
            standard_component_specs.StatisticsGenSpec(
                examples=examples,
                schema=schema,
                exclude_splits=json_utils.dumps([]),
                sample_rate_by_split=json_utils.dumps(dict(sample_rates)),
                statistics=types.Channel(type=ExampleStatistics),
            )
        )
        # The TFDV wheel needs a module that only `import tfx` provides: worker processes load TFDV without it and fail.
        self.with_beam_pipeline_args(IN_THIS_PROCESS)


class PackagedSchemaGen(ImportSchemaGen):
    """ImportSchemaGen of the curated schema in this package."""

    EXECUTOR_SPEC = ExecutorClassSpec(PackagedSchemaExecutor)


class DriftValidatorSpec(standard_component_specs.DistributionValidatorSpec):
    """The specification of DistributionValidator without a second input for the baseline.

    On Kubeflow Pipelines one artifact cannot be two inputs of a task: ML Metadata refuses the second event.
    """

    INPUTS: ClassVar[dict[str, ChannelParameter]] = {
        standard_component_specs.STATISTICS_KEY: ChannelParameter(type=ExampleStatistics)
    }


class DriftValidator(BaseComponent):
    """DistributionValidator for the splits of one artifact of statistics.

    Args:
        statistics: From StatisticsGen.
        config: What is compared, and how much may differ.
        include_split_pairs: Pairs of a split and the one it is compared with.
    """

    SPEC_CLASS = DriftValidatorSpec
    EXECUTOR_SPEC = ExecutorClassSpec(DriftValidatorExecutor)

    def __init__(
        self,
        statistics: types.BaseChannel,
        config: distribution_validator_pb2.DistributionValidatorConfig,
        *,
        include_split_pairs: Sequence[tuple[str, str]],
    ) -> None:
        super().__init__(
            DriftValidatorSpec(
                statistics=statistics,
                distribution_validator_config=config,
                include_split_pairs=json_utils.dumps(list(include_split_pairs)),
                anomalies=types.Channel(type=ExampleAnomalies),
            )
        )


@recorded_component
def AnomalyGate(  # noqa: N802 - TFX names a component after its function
    schema_anomalies: InputArtifact[ExampleAnomalies],
    drift_anomalies: InputArtifact[ExampleAnomalies],
    report: OutputArtifact[AnomalyReport],
    settings: Parameter[str],
) -> None:
    """Stop the run when the validators found something.

    Args:
        schema_anomalies: From ExampleValidator.
        drift_anomalies: From DistributionValidator.
        report: Receives anomalies.json.
        settings: Section `data_validation`, see `belka.settings.NodeSettings`.
    """
    check_anomalies(
        Path(schema_anomalies.uri),
        Path(drift_anomalies.uri),
        Path(report.uri),
        on_anomaly=NodeSettings(settings).section("data_validation", DataValidationSettings).on_anomaly,
    )
