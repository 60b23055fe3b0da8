"""The ParquetMerge component: a thin TFX wrapper around `merge_raw_files`."""

from pathlib import Path

from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component

from belka.machine import worker_count
from components.artifact_types import Molecules
from components.parquet_merge.merge import merge_raw_files


@component
def ParquetMerge(  # noqa: N802, PLR0917 - TFX names components like classes and forbids keyword-only parameters
    molecules: OutputArtifact[Molecules],
    raw_dir: Parameter[str],
    raw_fingerprint: Parameter[str],
    targets: Parameter[str],
    seed: Parameter[int],
    validation_block_share: Parameter[float],
    validation_shared_share: Parameter[float],
    use_extra_data: Parameter[int],
    max_rejected_share: Parameter[float],
    rows_per_shard: Parameter[int],
    memory_limit_gb: Parameter[float],
    n_workers: Parameter[int],
    spill_dir: Parameter[str],
    code_version: Parameter[str],
) -> None:
    """Merge raw BELKA files into one row a molecule.

    Lists and booleans do not survive Kubeflow's parameters, so targets are one string and `use_extra_data` is a number.

    Args:
        molecules: The output folder.
        raw_dir: Folder of the raw files.
        raw_fingerprint: Fingerprint of the raw files' content; read by nothing but TFX's cache, which must miss when it changes.
        targets: Names of the proteins, separated by commas.
        seed: Seed of the validation draw and of the order of rows.
        validation_block_share: Share of the training blocks to hold out, in [0, 1).
        validation_shared_share: Share of the other training molecules that become validation, in [0, 1).
        use_extra_data: 1 = use DNA_Labeled_Data.csv where it exists, 0 = do not.
        max_rejected_share: Largest share of a file's rows that may be unusable, in [0, 1].
        rows_per_shard: Upper bound of molecules in a shard.
        memory_limit_gb: Memory budget of the process, GB.
        n_workers: Threads; 0 = as many as there are cores to use.
        spill_dir: Folder for temporary files; empty = beside the output.
        code_version: Version of this code; a cache key like `raw_fingerprint`.
    """
    del raw_fingerprint, code_version
    merge_raw_files(
        Path(raw_dir),
        Path(molecules.uri),
        targets=[name.strip() for name in targets.split(",")],
        seed=seed,
        validation_block_share=validation_block_share,
        validation_shared_share=validation_shared_share,
        use_extra_data=bool(use_extra_data),
        max_rejected_share=max_rejected_share,
        rows_per_shard=rows_per_shard,
        memory_limit_gb=memory_limit_gb,
        n_workers=worker_count(n_workers),
        spill_dir=Path(spill_dir) if spill_dir else None,
    )
