"""The TFX component SmilesVocab."""

from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter

from belka.machine import worker_count
from belka.settings import NodeSettings, SystemSettings
from components.artifact_types import Molecules, Vocabulary
from components.recording import recorded_component
from components.smiles_vocab.build import build_vocabulary


@recorded_component
def SmilesVocab(  # noqa: N802 - TFX names a component after its function
    molecules: InputArtifact[Molecules],
    vocabulary: OutputArtifact[Vocabulary],
    settings: Parameter[str] = "{}",
) -> None:
    """Write the sorted distinct tokens of all molecules.

    Args:
        molecules: One row per molecule, from ParquetMerge.
        vocabulary: Receives `vocab.txt`.
        settings: Section `system`, see `belka.settings.NodeSettings`.
    """
    system = NodeSettings(settings).section("system", SystemSettings)
    build_vocabulary(Path(molecules.uri), Path(vocabulary.uri), n_workers=worker_count(system.n_workers))
