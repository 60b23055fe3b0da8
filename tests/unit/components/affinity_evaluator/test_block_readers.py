"""A model that reads building blocks is scored from SMILES where the Examples do not hold them."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from belka import contract as dc
from components.affinity_evaluator.scoring import score_molecules

SMILES = ["C#CCNc1nc(NC2CC2)nc(NCC(=O)N[Dy])n1", "CCO", "CCNc1nc(NC2CC2)nc(NCC(=O)N[Dy])n1"]


class _Sizes(tf.Module):
    """Its probabilities are thousandths of the sizes of SMILES, fingerprint and blocks."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name) for name in ("smiles", "ecfp", "blocks")])
    def features(self, smiles: Any, ecfp: Any, blocks: Any) -> dict[str, Any]:
        sizes = tf.stack([tf.strings.length(value) for value in (smiles, ecfp, blocks)], axis=1)
        scores = tf.cast(sizes, tf.float32) / 1000
        return {dc.OUTPUT_PROBABILITIES: scores, dc.OUTPUT_SPREAD: scores}


def test_every_molecule_gets_its_blocks(tmp_path: Path) -> None:
    model = _Sizes()
    tf.saved_model.save(model, str(tmp_path / "model"), signatures={dc.SIGNATURE_FEATURES: model.features})
    description = {
        "model": {"mode": "clf", "max_length": 128},
        "targets": dc.DEFAULT_TARGETS,
        "ecfp": {"size": 64, "radius": 2, "chirality": True},
        "members": ["transformer", "linear", "trees"],
    }
    (tmp_path / "model" / dc.DESCRIPTION_FILE).write_text(json.dumps(description))
    n = len(SMILES)
    columns = {
        dc.MOLECULE_ID: pa.array(range(n), pa.int64()),
        dc.SMILES: SMILES,
        dc.BINDS: pa.array([[0, 1, 2]] * n, pa.list_(pa.int8(), 3)),
        dc.SPLIT_GROUP: pa.array([0] * n, pa.int8()),
    }
    (tmp_path / "molecules" / "Split-validation").mkdir(parents=True)
    pq.write_table(pa.table(columns), tmp_path / "molecules" / "Split-validation" / "molecules-00000.parquet")
    pq.write_table(pa.table({dc.MOLECULE_ID: columns[dc.MOLECULE_ID]}), tmp_path / "reference.parquet")
    score_molecules(
        tmp_path / "model",
        tmp_path / "molecules",
        tmp_path / "reference.parquet",
        tmp_path / "out.parquet",
        n_targets=3,
        batch_size=2,
    )
    found = pq.read_table(tmp_path / "out.parquet")[dc.OUTPUT_PROBABILITIES].to_pylist()
    sizes = [(len(text), 8, 0 if text == "CCO" else dc.BLOCKS_BYTES) for text in SMILES]
    assert found == [pytest.approx([size / 1000 for size in row]) for row in sizes]
