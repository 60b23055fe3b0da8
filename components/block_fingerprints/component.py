"""The TFX component BlockFingerprintLearner."""

from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter

from belka.chemistry.fingerprints import FingerprintSettings
from belka.machine import worker_count
from belka.settings import NodeSettings, SystemSettings
from components.artifact_types import BlockFingerprints, Molecules
from components.block_fingerprints.learn import learn_block_fingerprints
from components.recording import recorded_component


@recorded_component
def BlockFingerprintLearner(  # noqa: N802 - TFX names a component after its function
    molecules: InputArtifact[Molecules],
    block_fingerprints: OutputArtifact[BlockFingerprints],
    settings: Parameter[str],
) -> None:
    """Learn the fingerprint rows of building blocks and audit them.

    Args:
        molecules: One row per molecule, from ParquetMerge.
        block_fingerprints: Receives the tables and summary.json.
        settings: Sections `fingerprint` and `system`, see `belka.settings.NodeSettings`.
    """
    received = NodeSettings(settings)
    learn_block_fingerprints(
        Path(molecules.uri),
        Path(block_fingerprints.uri),
        received.section("fingerprint", FingerprintSettings),
        n_workers=worker_count(received.section("system", SystemSettings).n_workers),
    )
