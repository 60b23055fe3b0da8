"""Runs transform_molecules inside TFX, on the pipeline's Beam runner."""

from pathlib import Path
from typing import Any

from tfx.components.util import examples_utils
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from belka.beam_flags import is_local
from belka.chemistry.fingerprints import FingerprintSettings
from belka.contract import Subset
from belka.models.members import needs_blocks
from belka.settings import DataSettings, NodeSettings
from components.artifact_types import Artifacts
from components.engine_folder import on_engine
from components.molecule_transform.transform import TransformInputs, TransformOutputs, transform_molecules
from components.molecule_transform.unit import ModelReads
from components.recording import recorded

# Below this, one process is done before worker processes have imported TensorFlow.
IN_PROCESS_MOLECULES = 50_000


@recorded
class MoleculeTransformExecutor(BaseBeamExecutor):
    """The executor of MoleculeTransform."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:  # noqa: N802
        """Write the output artifacts.

        Args:
            input_dict: `molecules`, `vocabulary` and, if fingerprints may be composed, `block_fingerprints`.
            output_dict: `examples`, `transform_graph`, `rejected`.
            exec_properties: The parameters of the component.
        """
        with on_engine(self._beam_pipeline_args, input_dict, output_dict) as readable:
            self._transform(readable, output_dict, exec_properties)

    def _transform(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:
        examples = artifact_utils.get_single_instance(output_dict["examples"])
        examples.split_names = artifact_utils.encode_split_names([subset.split for subset in Subset])
        examples_utils.set_payload_format(examples, example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE)
        tables = input_dict.get("block_fingerprints")
        settings = NodeSettings(exec_properties["settings"])
        data = settings.section("data", DataSettings)
        transform_molecules(
            TransformInputs(
                Path(artifact_utils.get_single_uri(input_dict["molecules"])),
                Path(artifact_utils.get_single_uri(input_dict["vocabulary"])),
                Path(artifact_utils.get_single_uri(tables)) if tables else None,
            ),
            TransformOutputs(
                Path(examples.uri),
                Path(artifact_utils.get_single_uri(output_dict["transform_graph"])),
                Path(artifact_utils.get_single_uri(output_dict["rejected"])),
                Path(data.output_dir),
            ),
            data=data,
            fingerprint=settings.section("fingerprint", FingerprintSettings),
            reads=ModelReads(settings.value("model", "max_length"), needs_blocks(settings.value("model", "members"))),
            preprocessing_fn=exec_properties["preprocessing_fn"],
            make_pipeline=self._make_beam_pipeline,
            in_process_below=IN_PROCESS_MOLECULES if is_local(self._beam_pipeline_args) else 0,
        )
