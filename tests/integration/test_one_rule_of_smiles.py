"""One rule of what a SMILES is: every door gives the same answer to the same text."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

import belka
from belka.chemistry.fingerprints import FingerprintSettings
from belka.chemistry.smiles import (
    EMPTY_SMILES,
    LONG_SMILES,
    MAX_CHARACTERS,
    TEXT_REASONS,
    UNPRINTABLE_SMILES,
    parse,
    read_text,
)
from belka.contract import EXTRA_FILE, FIRST_TOKEN_ID, REJECTED_FILE
from belka.errors import InputError
from belka.molecules import list_shards
from belka.predict.check import CheckSettings, SmilesChecker
from belka.settings import DataSettings, SystemSettings
from components.molecule_transform.transform import TransformInputs, TransformOutputs, transform_molecules
from components.molecule_transform.unit import ModelReads
from components.parquet_merge.merge import merge_raw_files
from components.smiles_vocab.build import build_vocabulary

PLAIN = "CCOCCCC"
# Text -> the SMILES and the name in it, or why there is none.
TEXTS: dict[str, tuple[str, str] | str] = {
    "CCO": ("CCO", ""),
    f" {PLAIN}1CC1": (f"{PLAIN}1CC1", ""),
    f"{PLAIN}CN \r\n": (f"{PLAIN}CN", ""),
    f"{PLAIN}CCN CMPD-1013": (f"{PLAIN}CCN", "CMPD-1013"),
    f"{PLAIN}CCCN\tCMPD 1013": (f"{PLAIN}CCCN", "CMPD 1013"),
    f"{PLAIN}CCCCN |$;;;_R1$|": (f"{PLAIN}CCCCN", "|$;;;_R1$|"),
    f"{PLAIN}\n{PLAIN}": UNPRINTABLE_SMILES,
    f"{PLAIN}\x01C": UNPRINTABLE_SMILES,
    f"{PLAIN}\u200bC": UNPRINTABLE_SMILES,
    f"{PLAIN}\u00a0C": UNPRINTABLE_SMILES,
    f"\ufeff{PLAIN}": UNPRINTABLE_SMILES,
    f"{PLAIN}é": UNPRINTABLE_SMILES,
    "C" * (MAX_CHARACTERS + 1): LONG_SMILES,
    "C" * MAX_CHARACTERS: ("C" * MAX_CHARACTERS, ""),
    "": EMPTY_SMILES,
    " ": EMPTY_SMILES,
    "nan": EMPTY_SMILES,
    "None": EMPTY_SMILES,
    " NA ": EMPTY_SMILES,
    "#N/A": EMPTY_SMILES,
}
WITH_NUL = f"{PLAIN}\0C"  # DuckDB's CSV reader ends at it; parquet and Python take it


def _raw(folder: Path, texts: list[str], *, suffix: str) -> Path:
    folder.mkdir()
    n = len(texts)
    blocks = {f"buildingblock{i}_smiles": ["CCN"] * n for i in (1, 2, 3)}
    rows = {"id": list(range(n)), **blocks, "molecule_smiles": texts, "protein_name": ["BRD4"] * n}
    for name, table in (("train", pa.table({**rows, "binds": [1] * n})), ("test", pa.table(rows))):
        if suffix == "csv":
            pc.write_csv(table, folder / f"{name}.csv")
        else:
            pq.write_table(table, folder / f"{name}.parquet")
    pc.write_csv(pa.table({"new_structure": texts, "read_count": [1] * n}), folder / EXTRA_FILE)
    return folder


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_raw_files_of_every_format_follow_the_rule(tmp_path: Path, suffix: str) -> None:
    # A row of a text table is a line.
    table = {text: found for text, found in TEXTS.items() if suffix == "parquet" or "\n" not in text}
    table |= {WITH_NUL: UNPRINTABLE_SMILES} if suffix == "parquet" else {}
    raw = _raw(tmp_path / "raw", [*table], suffix=suffix)
    if suffix == "parquet":
        (raw / EXTRA_FILE).unlink()
    # Strict settings would refuse so many unusable rows.
    data = DataSettings(validation_block_share=0.0).model_copy(update={"max_rejected_share": 1.0})
    summary = merge_raw_files(raw, tmp_path / "out", data=data, system=SystemSettings())
    usable = {found[0] for found in table.values() if isinstance(found, tuple)}
    for split in ("train", "test"):
        shards = [shard.path for shard in list_shards(tmp_path / "out") if shard.split == split]
        assert {smiles for path in shards for smiles in pq.read_table(path)["smiles"].to_pylist()} == usable
    refused = {text: why for text, why in table.items() if isinstance(why, str)}
    for source in summary["files"]:
        by_reason = summary["files"][source]["rejected_by_reason"]
        assert by_reason == {reason: list(refused.values()).count(reason) for reason in TEXT_REASONS}, source
    listed = pq.read_table(tmp_path / "out" / REJECTED_FILE).to_pylist()
    # An empty cell of a CSV file is a missing value.
    assert {row["molecule_smiles"] or "" for row in listed if row["source"] == "train"} == set(refused)
    assert summary["smiles_names_cut"] == 3 * len(summary["files"])


def test_vocabulary_and_transform_follow_the_rule(tmp_path: Path) -> None:
    texts = [*TEXTS, WITH_NUL]
    n = len(texts)
    columns = {
        "molecule_id": pa.array(range(n), pa.int64()),
        "smiles": texts,
        "smiles_no_linker": texts,
        "binds": pa.array([[0, 1, 2]] * n, pa.list_(pa.int8(), 3)),
        "split_group": pa.array([0] * n, pa.int8()),
        "ids": pa.array([[None] * 3] * n, pa.list_(pa.int64(), 3)),
    }
    folder = tmp_path / "molecules" / "Split-train"
    folder.mkdir(parents=True)
    pq.write_table(pa.table(columns), folder / "molecules-00000.parquet")
    vocabulary = build_vocabulary(tmp_path / "molecules", tmp_path / "vocabulary", n_workers=1)
    assert vocabulary[FIRST_TOKEN_ID:] == ["1", "C", "N", "O"]
    summary = transform_molecules(
        TransformInputs(tmp_path / "molecules", tmp_path / "vocabulary", None),
        TransformOutputs(tmp_path / "examples", tmp_path / "graph", tmp_path / "rejected"),
        data=DataSettings().model_copy(update={"max_rejected_share": 1.0}),
        fingerprint=FingerprintSettings(),
        reads=ModelReads(max_length=128),
        preprocessing_fn="trainer_module.preprocessing.preprocessing_fn",
    )
    refused = [why for why in TEXTS.values() if isinstance(why, str)] + [UNPRINTABLE_SMILES]
    assert summary["rejected"] == {reason: refused.count(reason) for reason in TEXT_REASONS}
    tokens = [
        [vocabulary[i] for i in tf.train.Example.FromString(record).features.feature["tokens"].int64_list.value]
        for path in sorted((tmp_path / "examples" / "Split-train").iterdir())
        for record in tf.data.TFRecordDataset(str(path), "GZIP" if path.suffix == ".gz" else "").as_numpy_iterator()
    ]
    assert tokens == [belka.tokenize(found[0]) for found in TEXTS.values() if isinstance(found, tuple)]


def test_prediction_and_notebook_follow_the_rule() -> None:
    checker = SmilesChecker(CheckSettings(frozenset({"C"}), 128))
    for text, expected in {**TEXTS, WITH_NUL: UNPRINTABLE_SMILES}.items():
        checked = checker.check(text)
        if isinstance(expected, str):
            assert (checked.smiles, checked.problem) == ("", expected)
            assert read_text(text).reason == parse(text) == expected
            with pytest.raises(InputError, match=expected):
                belka.tokenize(text)
            with pytest.raises(InputError, match=expected):
                belka.fingerprints([text])
        else:
            assert (checked.smiles, checked.problem) == (expected[0], "")
            assert (f"cut off behind the SMILES: {expected[1]}" in checked.warning) == bool(expected[1])
            assert belka.tokenize(text) == belka.tokenize(expected[0])
            assert (belka.fingerprints([text]) == belka.fingerprints([expected[0]])).all()


@pytest.mark.timeout(60)
def test_a_text_of_a_million_characters_is_refused_at_once(tmp_path: Path) -> None:
    raw = _raw(tmp_path / "raw", [f"{PLAIN}{'N' * i}" for i in range(200)] + ["C" * 1_000_000], suffix="parquet")
    summary = merge_raw_files(raw, tmp_path / "out", data=DataSettings(), system=SystemSettings())
    assert summary["files"]["train"]["rejected_by_reason"] == {LONG_SMILES: 1}
    assert len(json.dumps(summary)) < 100_000
