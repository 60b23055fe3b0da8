"""The TFX component DescriptorSample."""

from pathlib import Path

from tfx.components.util import examples_utils
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples, TransformGraph

from belka.machine import worker_count
from belka.settings import NodeSettings, SystemSettings
from components.artifact_types import Molecules
from components.descriptor_sample.settings import DescriptorSettings
from components.descriptor_sample.write import Wanted, write_sample
from components.recording import recorded_component


@recorded_component
def DescriptorSample(  # noqa: N802 - TFX names a component after its function
    molecules: InputArtifact[Molecules],
    transform_graph: InputArtifact[TransformGraph],
    examples: OutputArtifact[Examples],
    settings: Parameter[str],
) -> None:
    """Compute the descriptors that the stage mtr predicts, of a sample of molecules.

    Args:
        molecules: From ParquetMerge.
        transform_graph: From MoleculeTransform; it tokenizes.
        examples: Receives the splits train and validation, and test where test molecules may train.
        settings: Sections `descriptors`, `system` and `training`, see `belka.settings.NodeSettings`.
    """
    received = NodeSettings(settings)
    system = received.section("system", SystemSettings)
    wanted = Wanted(
        received.section("descriptors", DescriptorSettings),
        seed=system.seed,
        use_test_molecules=received.value("training", "use_test_molecules"),
        n_workers=worker_count(system.n_workers),
    )
    examples.split_names = artifact_utils.encode_split_names([subset.split for subset in wanted.subsets])
    examples_utils.set_payload_format(examples, example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE)
    write_sample(Path(molecules.uri), Path(transform_graph.uri), Path(examples.uri), wanted)
