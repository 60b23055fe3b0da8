"""The ParquetMerge component: a thin TFX wrapper around `merge_raw_files`."""

from pathlib import Path

from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component

from belka.settings import DataSettings, NodeSettings, SystemSettings
from components.artifact_types import Molecules
from components.parquet_merge.merge import merge_raw_files


@component
def ParquetMerge(  # noqa: N802 - TFX names a component after its function
    molecules: OutputArtifact[Molecules],
    raw_dir: Parameter[str],
    raw_digest: Parameter[str],
    settings: Parameter[str],
    code_version: Parameter[str],
) -> None:
    """Merge raw BELKA files into one row per molecule.

    Args:
        molecules: The output folder.
        raw_dir: Folder of the raw files.
        raw_digest: Digest of the raw files' content; read by nothing but TFX's cache, which must miss when it changes.
        settings: Sections `data` and `system`, see `belka.settings.NodeSettings`.
        code_version: Version of this code; a cache key like `raw_digest`.
    """
    del raw_digest, code_version
    received = NodeSettings(settings)
    merge_raw_files(
        Path(raw_dir),
        Path(molecules.uri),
        data=received.section("data", DataSettings),
        system=received.section("system", SystemSettings),
    )
