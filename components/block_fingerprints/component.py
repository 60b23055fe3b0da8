"""The TFX component BlockFingerprintLearner."""

from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component

from belka.chemistry.fingerprints import FingerprintSettings
from belka.machine import worker_count
from belka.settings import NodeSettings, SystemSettings
from components.artifact_types import BlockFingerprints, Molecules
from components.block_fingerprints.learn import learn_block_fingerprints


@component
def BlockFingerprintLearner(  # noqa: N802 - TFX names a component after its function
    molecules: InputArtifact[Molecules],
    block_fingerprints: OutputArtifact[BlockFingerprints],
    settings: Parameter[str],
    code_version: Parameter[str] = "",
) -> None:
    """Learn the fingerprint rows of building blocks and audit them.

    Args:
        molecules: One row per molecule, from ParquetMerge.
        block_fingerprints: Receives the tables and summary.json.
        settings: Sections `fingerprint` and `system`, see `belka.settings.NodeSettings`.
        code_version: Changes when the code, RDKit or scikit-fingerprints does: tables of another one are not reused.
    """
    del code_version
    received = NodeSettings(settings)
    learn_block_fingerprints(
        Path(molecules.uri),
        Path(block_fingerprints.uri),
        received.section("fingerprint", FingerprintSettings),
        n_workers=worker_count(received.section("system", SystemSettings).n_workers),
    )
