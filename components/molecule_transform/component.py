"""The TFX component MoleculeTransform."""

from tfx import types
from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.artifact_types import BlockFingerprints, Molecules, Rejections, Vocabulary
from components.molecule_transform.executor import MoleculeTransformExecutor


class MoleculeTransformSpec(ComponentSpec):
    """Inputs, outputs and parameters."""

    PARAMETERS = {  # noqa: RUF012 - the class attribute TFX reads
        "preprocessing_fn": ExecutionParameter(type=str),
        "settings": ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        "molecules": ChannelParameter(type=Molecules),
        "vocabulary": ChannelParameter(type=Vocabulary),
        "block_fingerprints": ChannelParameter(type=BlockFingerprints, optional=True),
    }
    OUTPUTS = {  # noqa: RUF012
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "transform_graph": ChannelParameter(type=standard_artifacts.TransformGraph),
        "rejected": ChannelParameter(type=Rejections),
    }


class MoleculeTransform(BaseBeamComponent):
    """Molecules to Examples with token ids and fingerprints, on Beam.

    Outputs: `examples` (splits train, validation, test), `transform_graph`, `rejected`.

    Args:
        molecules: From ParquetMerge.
        vocabulary: From SmilesVocab.
        block_fingerprints: From BlockFingerprintLearner; without it, and for other kinds than ecfp, every fingerprint
            is computed from its SMILES.
        preprocessing_fn: Import path of the tensorflow-transform function that serving shares.
        settings: Sections `data` and `fingerprint`, `model.max_length` and `model.members`, see
            `belka.settings.NodeSettings`.
    """

    SPEC_CLASS = MoleculeTransformSpec
    EXECUTOR_SPEC = BeamExecutorSpec(MoleculeTransformExecutor)

    def __init__(
        self,
        molecules: types.BaseChannel,
        vocabulary: types.BaseChannel,
        block_fingerprints: types.BaseChannel | None = None,
        *,
        preprocessing_fn: str,
        settings: str,
    ) -> None:
        super().__init__(
            MoleculeTransformSpec(
                molecules=molecules,
                vocabulary=vocabulary,
                block_fingerprints=block_fingerprints,
                preprocessing_fn=preprocessing_fn,
                settings=settings,
                examples=types.Channel(type=standard_artifacts.Examples),
                transform_graph=types.Channel(type=standard_artifacts.TransformGraph),
                rejected=types.Channel(type=Rejections),
            )
        )
