"""A run of four steps on a small table, as its output directory keeps it."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from belka.contract import Node
from belka.models.champion import Champion, model_digest, write_champion
from belka.places.names import place_of
from belka.provenance import Input, Record, read_inputs, write_provenance
from belka.settings import DataSettings, SystemSettings
from components.parquet_merge.merge import merge_raw_files

RAW_FILES = {"train.parquet": "aa" * 32, "test.parquet": "bb" * 32}
RUN = "2026-11-27T17:29:45.302289"


def _write_raw(folder: Path) -> Path:
    folder.mkdir(parents=True)
    columns = {
        "id": pa.array([0, 1, 2]),
        **{f"buildingblock{i}_smiles": pa.array(["CC", "CC", "CN"]) for i in (1, 2, 3)},
        "molecule_smiles": pa.array(["N[Dy]C", "N[Dy]C", "N[Dy]CC"]),
        "protein_name": pa.array(["HSA", "sEH", "HSA"]),
        "binds": pa.array([1, 0, 0]),
    }
    pq.write_table(pa.table(columns), folder / "train.parquet")
    pq.write_table(pa.table(columns).drop_columns(["binds"]), folder / "test.parquet")
    return folder


def _folder(path: Path, content: str) -> Path:
    path.mkdir(parents=True)
    (path / "saved_model.pb").write_text(content)
    return path


@pytest.fixture(scope="session")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("run") / "output"
    write_run(output)
    return output


def write_run(output: Path) -> None:
    """The merged table is real; what the other steps made is told by their records alone."""
    root = output / "pipeline_root"
    molecules = root / "parquet-merge" / "molecules" / "1"
    data = DataSettings(targets=("HSA", "sEH"), validation_block_share=0.0, use_extra_data=False)
    raw = _write_raw(output.parent / "raw")
    merge_raw_files(raw, molecules, data=data, system=SystemSettings(n_workers=1))
    settings = {"settings": {"data": data.model_dump(mode="json"), "system": {"seed": 42}}}
    place = Input(name="raw_dir", uri=place_of(raw), digest="cc" * 32)

    def at(minute: int, record: Record) -> Record:
        times = {"started": f"2026-11-27T17:{minute}:00+00:00", "finished": f"2026-11-27T17:{minute}:59+00:00"}
        return record.model_copy(update=times)

    merged = Record(step=Node.PARQUET_MERGE, run=RUN, output="molecules", settings=settings, raw_files=RAW_FILES)
    code = {"code_version": "0.1.0+sources.327b2e44", "libraries": {"duckdb": "2.0.1"}}
    write_provenance(molecules, at(10, merged.model_copy(update={"inputs": (place,), **code})))
    trained = _folder(root / "trainer-clf" / "model" / "2", "weights")
    history = _folder(root / "trainer-clf" / "model_run" / "2", "curves")
    read = read_inputs({"molecules": [molecules]})
    for name, folder in (("model", trained), ("model_run", history)):
        write_provenance(folder, at(20, Record(step="trainer-clf", run=RUN, output=name)), read)
    blessing = _folder(root / "affinity-evaluator" / "blessing" / "3", "yes")
    # A step of an earlier version, which did not keep when it began.
    evaluated = Record(step="affinity-evaluator", run=RUN, output="blessing", finished="2026-11-27T17:30:59+00:00")
    write_provenance(blessing, evaluated, read_inputs({"model": [trained], "history": [history]}))
    pushed = _folder(output / "model" / "17", "weights")
    sent = Record(step=Node.PUSHER, run=RUN, output="pushed_model", delivered={"gs://bucket/models/17": "dd" * 32})
    write_provenance(pushed, at(40, sent), read_inputs({"model": [trained], "model_blessing": [blessing]}))
    write_champion(output / "model", Champion("17", model_digest(pushed)))


@pytest.fixture
def moved(output: Path, tmp_path: Path) -> Path:
    """A copy of the run whose records still name the first place."""
    return Path(shutil.copytree(output, tmp_path / "output"))
