"""The TFX component MoleculeTransform."""

from tfx import types
from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from belka.chemistry.fingerprints import FingerprintKind
from components.artifact_types import BlockFingerprints, Molecules, Rejections, Vocabulary
from components.molecule_transform.executor import MoleculeTransformExecutor


class MoleculeTransformSpec(ComponentSpec):
    """Inputs, outputs and parameters; flags are integers, because Kubeflow turns booleans into them."""

    PARAMETERS = {  # noqa: RUF012 - the class attribute TFX reads
        "preprocessing_fn": ExecutionParameter(type=str),
        "fingerprint": ExecutionParameter(type=str),
        "ecfp_size": ExecutionParameter(type=int),
        "ecfp_radius": ExecutionParameter(type=int),
        "ecfp_chirality": ExecutionParameter(type=int),
        "compression": ExecutionParameter(type=str),
        "rows_per_shard": ExecutionParameter(type=int),
        "max_length": ExecutionParameter(type=int),
        "max_rejected_share": ExecutionParameter(type=float),
        "code_version": ExecutionParameter(type=str),
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
        block_fingerprints: From BlockFingerprintLearner; without it, and for other kinds than ecfp, every fingerprint is computed
            from its SMILES.
        preprocessing_fn: Import path of the tensorflow-transform function that serving shares.
        fingerprint: Kind of the fingerprint.
        ecfp_size: Number of its bits, a multiple of 8.
        ecfp_radius: Its radius in bonds, where the kind has one.
        ecfp_chirality: Whether it tells enantiomers apart, where the kind can.
        compression: `gzip` or `none`.
        rows_per_shard: Largest number of molecules in a TFRecord shard.
        max_length: Molecules with more tokens are counted and reported.
        max_rejected_share: Share of unusable molecules above which the component fails.
        code_version: Changes when the code does, so that cached results of older code are not used.
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
        fingerprint: FingerprintKind = "ecfp",
        ecfp_size: int = 2048,
        ecfp_radius: int = 2,
        ecfp_chirality: bool = True,
        compression: str = "gzip",
        rows_per_shard: int = 200_000,
        max_length: int = 128,
        max_rejected_share: float = 0.01,
        code_version: str = "",
    ) -> None:
        super().__init__(
            MoleculeTransformSpec(
                molecules=molecules,
                vocabulary=vocabulary,
                block_fingerprints=block_fingerprints,
                preprocessing_fn=preprocessing_fn,
                fingerprint=fingerprint,
                ecfp_size=ecfp_size,
                ecfp_radius=ecfp_radius,
                ecfp_chirality=int(ecfp_chirality),
                compression=compression,
                rows_per_shard=rows_per_shard,
                max_length=max_length,
                max_rejected_share=float(max_rejected_share),
                code_version=code_version,
                examples=types.Channel(type=standard_artifacts.Examples),
                transform_graph=types.Channel(type=standard_artifacts.TransformGraph),
                rejected=types.Channel(type=Rejections),
            )
        )
