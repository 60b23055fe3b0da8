"""Examples of a library: composed of its building blocks, and with the feature that names them."""

import itertools
import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from rdkit import Chem

from belka import examples as belka_examples
from belka.chemistry.blocks.feature import BlocksFeature
from belka.chemistry.fingerprints import FingerprintSettings
from belka.errors import BelkaError
from components.block_fingerprints.learn import learn_block_fingerprints
from components.molecule_transform.local_pipeline import local_pipeline
from components.molecule_transform.unit import ModelReads
from components.smiles_vocab.build import build_vocabulary
from tests.unit.components.molecule_transform.conftest import run, write_split


def read_columns(folder: Path, split: str, name: str) -> list[Any]:
    files = sorted((folder / f"Split-{split}").iterdir())
    return [value for file in files for value in pq.read_table(file)[name].to_pylist()]


def list_records(folder: Path, split: str) -> list[tf.train.Example]:
    files = [str(file) for file in sorted((folder / f"Split-{split}").iterdir())]
    return [tf.train.Example.FromString(record.numpy()) for record in tf.data.TFRecordDataset(files)]


def make_library(folder: Path) -> None:
    """98 molecules of a triazine library, one of them listed with a wrong block."""
    linkers = {"O=C(O)CN": "NCC(=O)N[Dy]", "O=C(O)CCN": "NCCC(=O)N[Dy]"}
    amines = {f"{'C' * n}N": f"N{'C' * n}" for n in range(1, 7)} | {"NC1CC1": "NC8CC8"}
    catalogue = [*linkers, *amines]
    combinations = list(itertools.product(linkers, amines, amines))
    smiles = [
        Chem.CanonSmiles(f"c1({amines[b]})nc({amines[c]})nc({linkers[a]})n1").replace("[NH][Dy]", "N[Dy]")
        for a, b, c in combinations
    ]
    write_split(folder, "train", smiles, [[None] * 3] * len(smiles), 0, n_files=1, row_group_size=50)
    path = folder / "Split-train" / "molecules-00000.parquet"
    table = pq.read_table(path).drop_columns("block1_id")
    for position in range(3):
        ids = [catalogue.index(blocks[position]) for blocks in combinations]
        if position == 1:
            ids[7] = catalogue.index("CCCCCCN")
        table = table.append_column(f"block{position + 1}_id", pa.array(ids, pa.int32()))
    pq.write_table(table, path)
    blocks = pa.table({"block_id": pa.array(range(len(catalogue)), pa.int32()), "smiles": catalogue})
    pq.write_table(blocks, folder / "blocks.parquet")


@pytest.mark.parametrize("blocks", [False, True])
def test_composed_examples_are_the_same_bytes_as_direct_ones(
    blocks: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reads = ModelReads(128, blocks=blocks)
    make_library(tmp_path / "molecules")
    build_vocabulary(tmp_path / "molecules", tmp_path / "vocab", n_workers=1)
    learn_block_fingerprints(tmp_path / "molecules", tmp_path / "tables", FingerprintSettings(), n_workers=1)
    direct = run(tmp_path / "molecules", tmp_path / "vocab", tmp_path / "direct", rows_per_shard=40, reads=reads)
    with caplog.at_level(logging.WARNING):
        composed = run(
            tmp_path / "molecules",
            tmp_path / "vocab",
            tmp_path / "composed",
            rows_per_shard=40,
            reads=reads,
            block_fingerprints_dir=tmp_path / "tables",
            make_pipeline=lambda: local_pipeline(2),
        )
    assert (direct["composed"], composed["composed"], composed["contradicted"]) == (0, 97, 1)
    assert "1 of 98 molecules do not fit the building blocks they are listed with" in caplog.text
    files = {p.name: p.read_bytes() for p in (tmp_path / "direct" / "examples" / "Split-train").iterdir()}
    assert {p.name: p.read_bytes() for p in (tmp_path / "composed" / "examples" / "Split-train").iterdir()} == files


def test_the_feature_blocks_is_added_where_it_is_asked_for_and_all_else_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_library(tmp_path / "molecules")
    whole = "C#CCNc1nc(NC2CC2)nc(NCC(=O)N[Dy])n1"
    write_split(
        tmp_path / "molecules",
        "test",
        ["CCO", "C1CC", whole, "CN[Dy]"],
        [[1, None, None]] * 4,
        98,
        n_files=1,
        row_group_size=4,
    )
    build_vocabulary(tmp_path / "molecules", tmp_path / "vocab", n_workers=1)
    arguments = {"rows_per_shard": 1000, "compression": "none"}
    without = run(tmp_path / "molecules", tmp_path / "vocab", tmp_path / "without", **arguments)
    assert "without_blocks" not in without
    with caplog.at_level(logging.WARNING):
        summary = run(
            tmp_path / "molecules",
            tmp_path / "vocab",
            tmp_path / "with",
            reads=ModelReads(128, blocks=True),
            **arguments,
        )
    assert (summary["without_blocks"], summary["first_without_blocks"]) == (2, "CCO")
    assert {name: summary[name] for name in without} == without
    assert "2 of 101 molecules have no three building blocks with one linker, for example CCO" in caplog.text
    for split in ("train", "test"):
        smiles = dict(
            zip(*(read_columns(tmp_path / "molecules", split, name) for name in ("molecule_id", "smiles")), strict=True)
        )
        plain, added = (list_records(tmp_path / folder / "examples", split) for folder in ("without", "with"))
        for before, after in zip(plain, added, strict=True):
            feature = after.features.feature.pop("blocks")
            assert after.SerializeToString(deterministic=True) == before.SerializeToString(deterministic=True)
            text = smiles[after.features.feature["molecule_id"].int64_list.value[0]]
            assert list(feature.bytes_list.value) == [BlocksFeature().read(text, text.replace("[Dy]", "[H]"))]
        files = sorted((tmp_path / "with" / "examples" / f"Split-{split}").iterdir())
        (batch,) = belka_examples.read_examples(files, ["molecule_id", "blocks"], n_targets=3)
        expected = [
            BlocksFeature().read(smiles[i], smiles[i].replace("[Dy]", "[H]")) for i in batch.columns["molecule_id"]
        ]
        assert [row.tobytes() for row in batch.columns["blocks"]] == [each or bytes(768) for each in expected]
    files = sorted((tmp_path / "without" / "examples" / "Split-train").iterdir())
    with pytest.raises(BelkaError, match=r"Examples cannot be read[\s\S]*blocks"):
        next(belka_examples.read_examples(files, ["blocks"], n_targets=3))
