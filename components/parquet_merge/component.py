"""The ParquetMerge component: a thin TFX wrapper around `merge_raw_files`."""

from pathlib import Path

from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter

from belka.raw_directory import named_content
from belka.settings import DataSettings, NodeSettings, SystemSettings
from components.artifact_types import Molecules
from components.parquet_merge.merge import merge_raw_files
from components.recording import read_raw_files, recorded_component


@recorded_component
def ParquetMerge(  # noqa: N802 - TFX names a component after its function
    molecules: OutputArtifact[Molecules],
    raw_digest: Parameter[str],
    settings: Parameter[str],
    raw_dir: Parameter[str] = "",
) -> None:
    """Merge raw BELKA files into one row per molecule.

    Args:
        molecules: The output folder.
        raw_digest: Digest of the raw files' content, a part of the cache key; a name of it is replaced by the digest.
        settings: Sections `data` and `system`, see `belka.settings.NodeSettings`.
        raw_dir: Folder of the raw files, in place of `data.raw_dir`, which is no part of the cache key.
    """
    received = NodeSettings(settings)
    data = received.section("data", DataSettings)
    folder = Path(raw_dir or data.raw_dir)
    read_raw_files(molecules, folder, named_content(folder, data, raw_digest))
    merge_raw_files(
        folder,
        Path(molecules.uri),
        data=data,
        system=received.section("system", SystemSettings),
        lists_dir=Path(data.output_dir),  # the runner removes the output of a node that fails
    )
