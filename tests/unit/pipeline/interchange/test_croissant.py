"""Metadata of the merged table: every file with its digest, every column; read by mlcroissant."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from belka.digests import file_digest
from belka.errors import InputError
from belka.provenance import read_provenance, write_provenance
from pipeline.cli.main import app
from pipeline.interchange.croissant import table_metadata
from pipeline.interchange.recorded import recorded_model
from tests.unit.conftest import Read

TABLE = Path("pipeline_root") / "parquet-merge" / "molecules" / "1"


def test_every_file_is_named_below_the_description_with_its_sha256(output: Path) -> None:
    described, known = table_metadata(recorded_model(output / "model"), output), read_provenance(output / TABLE)
    assert known is not None
    files = [each for each in described["distribution"] if each["@type"] == "cr:FileObject"]
    assert {each["contentUrl"]: each["sha256"] for each in files} == {
        str(TABLE / name): file_digest(output / TABLE / name) for name in known.files
    }
    (shards,) = (each for each in described["distribution"] if each["@type"] == "cr:FileSet")
    assert {path.relative_to(output) for path in output.glob(shards["includes"])} == {
        TABLE / f"Split-{split}" / "molecules-00000.parquet" for split in ("train", "test")
    }


def test_columns_are_those_of_the_shards_and_say_what_they_hold(output: Path) -> None:
    described = table_metadata(recorded_model(output / "model"), output)
    molecules, blocks = described["recordSet"]
    for record_set, file in ((molecules, "Split-train/molecules-00000.parquet"), (blocks, "blocks.parquet")):
        assert [field["name"] for field in record_set["field"]] == pq.read_schema(output / TABLE / file).names
    fields = {field["name"]: field for field in molecules["field"]}
    assert fields["binds"]["description"] == "Labels of HSA, sEH, in this order: 0 no, 1 yes, 2 unknown."
    assert fields["subset"]["description"] == "0 train, 1 validation, 2 test."
    assert fields["binds"]["repeated"]
    assert "repeated" not in fields["subset"]


def test_a_table_that_was_made_again_or_lies_elsewhere_is_refused(moved: Path, output: Path, tmp_path: Path) -> None:
    model = recorded_model(output / "model")
    with pytest.raises(InputError, match="must lie in a folder above it"):
        table_metadata(model, tmp_path / "elsewhere")
    table = read_provenance(moved / TABLE)
    assert table is not None
    again = model.model_copy(
        update={"upstream": tuple(each.model_copy(update={"uri": str(moved / TABLE)}) for each in model.upstream)}
    )
    assert table_metadata(again, moved)["name"] == "molecules"
    (moved / TABLE / "summary.json").write_text("{}")
    write_provenance(moved / TABLE, table.record())
    with pytest.raises(InputError, match="another one than the model was trained on"):
        table_metadata(again, moved)
    shutil.rmtree(moved / TABLE)
    with pytest.raises(InputError, match="does not say where it comes from"):
        table_metadata(again, moved)


@pytest.mark.metadata
@pytest.mark.slow
def test_mlcroissant_reads_the_rows(output: Path, read_elsewhere: Read) -> None:
    file = output / "croissant.json"
    told = CliRunner().invoke(app, ["lineage", str(output / "model"), "--croissant", str(file)], catch_exceptions=False)
    assert told.exit_code == 0, told.output
    read = read_elsewhere("croissant", file)
    assert read.returncode == 0, read.stderr[-3000:]
    found = json.loads(read.stdout)
    assert found["warnings"] == ["citeAs", "license", "version"], "what nobody told us"
    rows = {row["smiles"]: row["binds"] for row in found["molecules"]}
    assert rows == {"[CH3][Dy][NH2]": [1, 0], "C[CH2][Dy][NH2]": [0, 2]} | {
        smiles: rows[smiles] for smiles in rows if rows[smiles] == [2, 2]
    }
    assert len(found["blocks"]) == pq.read_metadata(output / TABLE / "blocks.parquet").num_rows
    described = json.loads(file.read_text())
    described["recordSet"][0]["field"][1]["source"]["extract"]["column"] = "none_such"
    file.write_text(json.dumps(described))
    assert read_elsewhere("croissant", file).returncode != 0
