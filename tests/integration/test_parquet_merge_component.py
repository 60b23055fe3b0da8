"""The TFX wrapper: run by TFX's own launcher with SQLite ML Metadata, and served from the cache the second time."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest


def write_raw(folder: Path) -> None:
    folder.mkdir()
    columns = {
        "id": pa.array([0, 1, 2]),
        **{f"buildingblock{i}_smiles": pa.array(["CC", "CC", "CN"]) for i in (1, 2, 3)},
        "molecule_smiles": pa.array(["N[Dy]C", "N[Dy]C", "N[Dy]CC"]),
        "protein_name": pa.array(["HSA", "sEH", "HSA"]),
        "binds": pa.array([1, 0, 0]),
    }
    pq.write_table(pa.table(columns), folder / "train.parquet")
    pq.write_table(pa.table(columns).drop_columns(["binds"]), folder / "test.parquet")
    (folder / "DNA_Labeled_Data.csv").write_text("new_structure,read_count\nCCC,4\n", encoding="utf-8")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_component_runs_under_the_local_launcher(tmp_path: Path) -> None:
    from tfx.orchestration.local.local_dag_runner import LocalDagRunner
    from tfx.orchestration.metadata import sqlite_metadata_connection_config
    from tfx.orchestration.pipeline import Pipeline

    from belka.contract import Node
    from belka.settings import DataSettings, SystemSettings
    from components.parquet_merge.component import ParquetMerge
    from pipeline.config.settings import Config

    write_raw(tmp_path / "raw")

    def run() -> list[Path]:
        merge = ParquetMerge(
            raw_dir=str(tmp_path / "raw"),
            raw_digest="abc",
            settings=Config(
                data=DataSettings(targets=("HSA", "sEH"), validation_block_share=0.0, max_rejected_share=0.0),
                system=SystemSettings(seed=1),
            ).deciding()[Node.PARQUET_MERGE],
        ).with_id("parquet-merge")
        pipeline = Pipeline(
            pipeline_name="merge-only",
            pipeline_root=str(tmp_path / "root"),
            components=[merge],
            enable_cache=True,
            metadata_connection_config=sqlite_metadata_connection_config(str(tmp_path / "metadata.db")),
        )
        LocalDagRunner().run(pipeline)
        return sorted((tmp_path / "root" / "parquet-merge" / "molecules").glob("*/summary.json"))

    (summary,) = run()
    assert json.loads(summary.read_text(encoding="utf-8"))["molecules"]["train"] == {"shared": 3, "non_shared": 0}
    molecules = pq.read_table(summary.parent / "Split-train").to_pylist()
    assert {line["smiles"]: line["binds"] for line in molecules} == {
        "[CH3][Dy][NH2]": [1, 0],
        "C[CH2][Dy][NH2]": [0, 2],
        "CCC": [2, 1],
    }
    assert run() == [summary], "the second run should come from the cache"
