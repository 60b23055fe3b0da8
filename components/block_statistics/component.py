"""The TFX component BlockStatistics."""

from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter

from belka.machine import worker_count
from belka.settings import NodeSettings, SystemSettings
from components.artifact_types import BlockOdds, Molecules
from components.block_statistics.describe import describe_blocks
from components.recording import recorded_component


@recorded_component
def BlockStatistics(  # noqa: N802 - TFX names a component after its function
    molecules: InputArtifact[Molecules],
    block_statistics: OutputArtifact[BlockOdds],
    settings: Parameter[str] = "{}",
) -> None:
    """Count how often building blocks and pairs of them bind in training.

    Args:
        molecules: One row per molecule, from ParquetMerge.
        block_statistics: Receives the tables, summary.json and enrichment.html.
        settings: Section `system`, see `belka.settings.NodeSettings`.
    """
    system = NodeSettings(settings).section("system", SystemSettings)
    describe_blocks(Path(molecules.uri), Path(block_statistics.uri), n_workers=worker_count(system.n_workers))
