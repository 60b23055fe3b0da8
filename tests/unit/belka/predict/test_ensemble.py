"""A model of several members gets the bits of the building blocks, and gives a spread."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

import belka
from belka import contract as dc
from belka.chemistry.blocks.feature import read_blocks
from belka.chemistry.direct import DirectFingerprints
from belka.chemistry.fingerprints import FingerprintSettings
from belka.errors import BelkaError
from belka.predict.check import CheckSettings, SmilesChecker
from belka.predict.predict import predict_file, predict_smiles

TARGETS = ("BRD4", "HSA", "sEH")
ECFP = FingerprintSettings(size=256)
BUCKETS = 1024  # a power of two: quotients are exact
WHOLE = ["C#CCNc1nc(NC2CC2)nc(NCC(=O)N[Dy])n1", "CCNc1nc(NC2CC2)nc(NCC(=O)N[Dy])n1"]
SMILES = [*WHOLE, "CCO", "C1CC", WHOLE[0].replace("[Dy]", "[H]")]


class _Hashes(tf.Module):
    """A model whose three probabilities tell which SMILES, fingerprint and blocks it got."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = tf.Variable(1.0)

    def _scores(self, values: list[Any]) -> Any:
        buckets = [tf.strings.to_hash_bucket_fast(value, BUCKETS) for value in values]
        return self.scale * tf.stack([tf.cast(bucket, tf.float32) / BUCKETS for bucket in buckets], axis=1)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name) for name in ("smiles", "ecfp", "blocks")])
    def features(self, smiles: Any, ecfp: Any, blocks: Any) -> dict[str, Any]:
        scores = self._scores([smiles, ecfp, blocks])
        return {dc.OUTPUT_PROBABILITIES: scores, dc.OUTPUT_SPREAD: scores / 2}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "smiles")])
    def smiles(self, smiles: Any) -> dict[str, Any]:
        return {dc.OUTPUT_PROBABILITIES: self._scores([smiles] * 3)}


def write_model(folder: Path, members: list[str], *signatures: str) -> Path:
    model = _Hashes()
    tf.saved_model.save(model, str(folder), signatures={name: getattr(model, name) for name in signatures})
    description = {
        "model": {"mode": "clf", "max_length": 128},
        "vocabulary": ["[PAD]", "[MASK]", *"CNOcn()=#123", "[H]"],
        "targets": TARGETS,
        "ecfp": ECFP.stored(),
        "spelling": "as_given",
        **({"members": members} if members else {}),
    }
    (folder / "belka.json").write_text(json.dumps(description))
    return folder


def buckets(values: list[bytes] | list[str]) -> list[float]:
    return [bucket / BUCKETS for bucket in tf.strings.to_hash_bucket_fast(values, BUCKETS).numpy()]


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Path:
    members = ["transformer", "linear", "trees", "net"]
    return write_model(tmp_path_factory.mktemp("ensemble"), members, "features", "smiles")


def test_the_members_get_smiles_fingerprints_and_blocks_and_the_spread_is_told(ensemble: Path, tmp_path: Path) -> None:
    table = belka.load_model(ensemble).predict(SMILES)
    added = [f"{kind}_{target}" for kind in ("probability", "spread") for target in TARGETS]
    assert table.column_names == [
        "smiles",
        *added,
        "problem",
        "warning",
        "unknown_tokens",
        "block_similarity",
        "new_blocks",
    ]
    scored = [0, 1, 2, 4]
    texts = [SMILES[row] for row in scored]
    ecfp = (
        DirectFingerprints(ECFP)
        .compute(pa.record_batch({dc.SMILES_NO_LINKER: [text.replace("[Dy]", "[H]") for text in texts]}))
        .packed
    )
    blocks = read_blocks(texts)
    assert [bool(each) for each in blocks] == [True, True, False, False]
    expected = (buckets(texts), buckets([row.tobytes() for row in ecfp]), buckets(blocks))
    for target, values in zip(TARGETS, expected, strict=True):
        assert [table[f"probability_{target}"].to_pylist()[row] for row in scored] == values
        assert [table[f"spread_{target}"].to_pylist()[row] for row in scored] == [value / 2 for value in values]
    assert [table[name][3].as_py() for name in added] == [None] * 6
    (tmp_path / "in.csv").write_text("smiles\n" + "".join(f"{text}\n" for text in SMILES))
    predict_file(ensemble, tmp_path / "in.csv", tmp_path / "out.parquet", n_workers=1)
    assert pq.read_table(tmp_path / "out.parquet").equals(table)
    assert belka.load_model(ensemble).predict([]).column_names == table.column_names


def test_a_molecule_without_three_blocks_is_told_who_did_not_score_it(ensemble: Path) -> None:
    warnings = predict_smiles(ensemble, SMILES)["warning"].to_pylist()
    said = "not scored by trees, net: no three building blocks with one linker [Dy]"
    assert [said in warning.split("; ") for warning in warnings] == [False, False, True, False, True]


def test_where_no_member_reads_blocks_none_are_computed(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", ["transformer", "linear"], "features")
    table = predict_smiles(folder, SMILES[:1])
    assert table["probability_sEH"].to_pylist() == buckets([b""])
    assert table["spread_sEH"].to_pylist() == [value / 2 for value in buckets([b""])]
    assert "not scored" not in table["warning"][0].as_py()


def test_a_model_of_earlier_versions_is_scored_as_before(tmp_path: Path) -> None:
    for members in ([], ["transformer"]):
        folder = write_model(tmp_path / f"m{len(members)}", members, "features", "smiles")
        table = predict_smiles(folder, SMILES)
        assert not [name for name in table.column_names if name.startswith("spread")]
        assert table["probability_sEH"].to_pylist()[:3] == buckets(SMILES[:3])  # of the signature `smiles`
        assert not any("not scored" in warning for warning in table["warning"].to_pylist())


def test_an_ensemble_without_its_signature_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", ["transformer", "net"], "smiles")
    with pytest.raises(BelkaError, match=r"no usable signature 'features'[\s\S]*smiles and ecfp and blocks"):
        predict_smiles(folder, SMILES)


def test_the_blocks_are_those_of_the_spelled_molecule() -> None:
    settings = CheckSettings(frozenset("C"), 128, spelling="canonical", block_readers=("net",))
    checker = SmilesChecker(settings)
    found = {checker.check(text).blocks for text in (WHOLE[0], SMILES[-1], "n1c(NCC(=O)N[Dy])nc(NCC#C)nc1NC1CC1")}
    assert found == set(read_blocks(WHOLE[:1]))
