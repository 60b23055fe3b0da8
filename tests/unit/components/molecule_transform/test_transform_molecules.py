"""transform_molecules on a small molecules folder: Examples, rejected rows, summary, graph, determinism, errors."""

import gzip
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from atomInSmiles import smiles_tokenizer
from skfp.fingerprints import AtomPairFingerprint, ECFPFingerprint, MACCSFingerprint

from belka.chemistry.fingerprints import FingerprintSettings
from belka.errors import InputError
from belka.examples import known_count
from belka.molecules import REJECTED_SCHEMA
from belka.tokens.graph import SmilesTokenizer
from components.molecule_transform.local_pipeline import local_pipeline
from components.molecule_transform.unit import ModelReads
from tests.unit.components.molecule_transform.conftest import TEST, TRAIN, read_examples, run, write_split


@pytest.fixture(scope="module")
def transformed(molecules_dir: Path, vocabulary: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("transformed")
    run(molecules_dir, vocabulary, out)
    return out


def test_examples_hold_tokens_fingerprint_labels_and_ids(transformed: Path, vocabulary: Path) -> None:
    tokens = (vocabulary / "vocab.txt").read_text().split("\n")
    train, test = (read_examples(transformed / "examples", split) for split in ("train", "test"))
    assert sorted(train) == [0, 1, 3, 4, 5]
    assert sorted(test) == [6, 8]
    for row in train:
        example = train[row]
        smiles = TRAIN[row].replace("[Dy]", "[H]")
        assert [tokens[token] for token in example["tokens"]] == smiles_tokenizer(smiles)
        expected = ECFPFingerprint(fp_size=2048, radius=2, include_chirality=True).transform([smiles])[0]
        assert np.unpackbits(np.frombuffer(example["ecfp"], np.uint8)).tolist() == expected.tolist()
        assert example["binds"].tolist() == [row % 3, (row + 1) % 3, 2]
        assert example["ids"].tolist() == [-1, -1, -1]
        assert example["split_group"] == row % 2
    assert test[6]["ids"].tolist() == [10, -1, 12]
    assert test[8]["ids"].tolist() == [-1, -1, 18]


@pytest.mark.parametrize("kind", ["maccs", "atom_pair"])
def test_examples_hold_the_fingerprint_that_is_asked_for(
    kind: str, molecules_dir: Path, vocabulary: Path, transformed: Path, tmp_path: Path
) -> None:
    fingerprint = FingerprintSettings(kind=kind, size=168 if kind == "maccs" else 512)
    oracle = MACCSFingerprint() if kind == "maccs" else AtomPairFingerprint(fp_size=512, include_chirality=True)
    summary = run(molecules_dir, vocabulary, tmp_path, make_pipeline=lambda: local_pipeline(2), fingerprint=fingerprint)
    assert summary["ecfp"] == {"size": fingerprint.size, "radius": 2, "chirality": True, "kind": kind}
    train, test = (read_examples(tmp_path / "examples", split) for split in ("train", "test"))
    smiles = {row: text.replace("[Dy]", "[H]") for row, text in enumerate([*TRAIN, *TEST]) if row not in (2, 7)}
    expected = np.packbits(oracle.transform(list(smiles.values())), axis=1)
    found = train | test
    assert sorted(found) == sorted(smiles)
    for row, bits in zip(smiles, expected, strict=True):
        assert found[row]["ecfp"] == bits.tobytes(), smiles[row]
    # Everything else is as with ECFP.
    before = read_examples(transformed / "examples", "train")
    assert [example["tokens"].tolist() for example in train.values()] == [e["tokens"].tolist() for e in before.values()]
    assert pq.read_table(tmp_path / "rejected" / "rejected.parquet").equals(
        pq.read_table(transformed / "rejected" / "rejected.parquet")
    )


def test_refused_molecules_are_listed_with_their_test_ids(transformed: Path) -> None:
    rows = pq.read_table(transformed / "rejected" / "rejected.parquet").to_pylist()
    assert [(r["source"], r["row"], r["id"], r["molecule_smiles"], r["reason"]) for r in rows] == [
        ("train", 2, None, "C1CC", "unparsable SMILES"),
        ("test", 7, "13", "not a smiles", "unparsable SMILES"),
        ("test", 7, "14", "not a smiles", "unparsable SMILES"),
    ]
    summary = json.loads((transformed / "rejected" / "transform_summary.json").read_text())
    assert summary["rejected"] == {"unparsable SMILES": 2}
    assert summary["molecules"] == 9
    assert summary["written"] == 7
    assert summary["splits"]["test"] == {"molecules": 3, "written": 2, "shards": 2}


def test_refused_rows_do_not_shift_their_neighbours_in_the_batch(vocabulary: Path, tmp_path: Path) -> None:
    smiles = ["C1CC", "CCO", "c1cccc1", "ClCCl", "", "N[Dy]"]
    ids: list[list[int | None]] = [[row, None, 10 + row] for row in range(len(smiles))]
    write_split(tmp_path / "molecules", "test", smiles, ids, 100, n_files=1, row_group_size=10)
    run(tmp_path / "molecules", vocabulary, tmp_path, rows_per_shard=10)
    tokens = (vocabulary / "vocab.txt").read_text().split("\n")
    examples = read_examples(tmp_path / "examples", "test")
    assert sorted(examples) == [101, 103, 105]
    for molecule_id, example in examples.items():
        row = molecule_id - 100
        text = smiles[row].replace("[Dy]", "[H]")
        expected = ECFPFingerprint(fp_size=2048, radius=2, include_chirality=True).transform([text])[0]
        assert np.unpackbits(np.frombuffer(example["ecfp"], np.uint8)).tolist() == expected.tolist()
        assert [tokens[token] for token in example["tokens"]] == smiles_tokenizer(text)
        assert example["ids"].tolist() == [row, -1, 10 + row]
        assert example["binds"].tolist() == [row % 3, (row + 1) % 3, 2]
    rows = pq.read_table(tmp_path / "rejected" / "rejected.parquet").to_pylist()
    assert [(row["row"], row["id"], row["reason"]) for row in rows] == [
        (100, "0", "unparsable SMILES"),
        (100, "10", "unparsable SMILES"),
        (102, "2", "unparsable SMILES"),
        (102, "12", "unparsable SMILES"),
        (104, "4", "empty SMILES"),
        (104, "14", "empty SMILES"),
    ]


def test_shards_are_even_and_an_empty_split_has_a_readable_one(transformed: Path) -> None:
    names = {path.relative_to(transformed / "examples").as_posix() for path in (transformed / "examples").rglob("*.gz")}
    assert names == {
        *(f"Split-train/data_tfrecord-{i:05d}-of-00003.gz" for i in range(3)),
        *(f"Split-test/data_tfrecord-{i:05d}-of-00002.gz" for i in range(2)),
        "Split-validation/data_tfrecord-00000-of-00001.gz",
    }
    empty = transformed / "examples" / "Split-validation" / "data_tfrecord-00000-of-00001.gz"
    assert list(tf.data.TFRecordDataset(str(empty), "GZIP")) == []
    assert {path.name for path in (transformed / "examples").iterdir()} == {
        "Split-train",
        "Split-validation",
        "Split-test",
        "counts.json",
    }
    for path in (transformed / "examples").rglob("*.gz"):
        assert known_count(path) == len(list(tf.data.TFRecordDataset(str(path), "GZIP"))), path
    assert {path.name for path in (transformed / "rejected").iterdir()} == {
        "rejected.parquet",
        "transform_summary.json",
    }


def test_saved_graph_tokenizes_with_and_without_linker(transformed: Path, vocabulary: Path) -> None:
    tokens = (vocabulary / "vocab.txt").read_text().split("\n")
    assert (transformed / "graph" / "vocab.txt").read_bytes() == (vocabulary / "vocab.txt").read_bytes()
    ids = SmilesTokenizer(transformed / "graph")(tf.constant(["N[Dy]", "N[H]", "C[Zr]"])).to_list()
    assert [[tokens[i] for i in row] for row in ids] == [["N", "[H]"], ["N", "[H]"], ["C", "[MASK]"]]


def test_worker_processes_write_the_same_bytes_and_earlier_output_goes(
    transformed: Path, molecules_dir: Path, vocabulary: Path, tmp_path: Path
) -> None:
    stale = tmp_path / "examples" / "Split-train" / "data_tfrecord-00000-of-00009.gz"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"half")
    run(molecules_dir, vocabulary, tmp_path, make_pipeline=lambda: local_pipeline(2))
    for part in ("examples", "rejected"):
        expected = {p.relative_to(transformed): p.read_bytes() for p in (transformed / part).rglob("*") if p.is_file()}
        assert {
            p.relative_to(tmp_path): p.read_bytes() for p in (tmp_path / part).rglob("*") if p.is_file()
        } == expected


def test_uncompressed_shards_hold_the_same_records_and_warnings_name_molecules(
    transformed: Path, molecules_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "vocab").mkdir()
    (tmp_path / "vocab" / "vocab.txt").write_text("[PAD]\n[MASK]\nC\n")
    with caplog.at_level(logging.WARNING):
        summary = run(molecules_dir, tmp_path / "vocab", tmp_path, compression="none", reads=ModelReads(max_length=9))
    shard = tmp_path / "examples" / "Split-train" / "data_tfrecord-00001-of-00003"
    compressed = transformed / "examples" / "Split-train" / "data_tfrecord-00001-of-00003.gz"
    with pytest.raises(gzip.BadGzipFile):
        gzip.decompress(shard.read_bytes())
    assert len(list(tf.data.TFRecordDataset(str(shard)))) == len(list(tf.data.TFRecordDataset(str(compressed), "GZIP")))
    assert "1 of 7 molecules have more than 9 tokens and will be truncated, for example CC[C@@H]" in caplog.text
    assert "tokens are not in the vocabulary, for example in CC[C@@H]" in caplog.text
    assert summary["too_long"] == 1
    first = read_examples(tmp_path / "examples", "train")[3]
    assert first["tokens"].tolist() == [1, 2, 1]


def test_too_many_refused_molecules_is_an_error_that_names_one(
    molecules_dir: Path, vocabulary: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"2 of 9 rejected .*for example C1CC") as raised:
        run(molecules_dir, vocabulary, tmp_path, max_rejected_share=0.2)
    assert pq.read_metadata(tmp_path / "rejected" / "rejected.parquet").num_rows == 3
    assert str(tmp_path / "rejected" / "rejected.parquet") in raised.value.action


def test_the_list_of_refused_molecules_stays_beside_what_the_merge_refused(
    molecules_dir: Path, vocabulary: Path, tmp_path: Path
) -> None:
    merged = tmp_path / "molecules"
    shutil.copytree(molecules_dir, merged)
    of_merge = pa.Table.from_pylist([{"source": "train", "row": 7, "reason": "unknown protein"}], REJECTED_SCHEMA)
    pq.write_table(of_merge, merged / "rejected.parquet")
    with pytest.raises(InputError) as raised:
        run(merged, vocabulary, tmp_path, max_rejected_share=0.2, lists=tmp_path / "output")
    shutil.rmtree(tmp_path / "rejected")  # as the runner does
    kept = tmp_path / "output" / "rejected.parquet"
    assert str(kept) in raised.value.action
    assert [line["reason"] for line in pq.read_table(kept).to_pylist()] == [
        "unknown protein",
        *["unparsable SMILES"] * 3,
    ]


def test_without_a_place_for_the_list_the_error_still_says_why(
    molecules_dir: Path, vocabulary: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"2 of 9 rejected"):
        run(molecules_dir, vocabulary, tmp_path, max_rejected_share=0.2, lists=tmp_path / "file" / "output")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preprocessing_fn": "trainer_module.preprocessing.nothing"}, "trainer_module.preprocessing.nothing"),
        ({"preprocessing_fn": "nothing"}, "cannot be imported"),
    ],
)
def test_wrong_settings_are_errors(
    settings: dict[str, Any], message: str, molecules_dir: Path, vocabulary: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        run(molecules_dir, vocabulary, tmp_path, **settings)
