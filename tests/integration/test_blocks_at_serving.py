"""The feature `blocks` is the same bytes in Examples, where it is composed, and at prediction of any spelling."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import rdkit
from rdkit import Chem

from belka import contract as dc
from belka.chemistry.fingerprints import FingerprintSettings
from belka.demo.blocks import amine_blocks, amino_acid_blocks
from belka.demo.library import enumerate_product
from belka.examples import list_examples, read_examples
from belka.predict.check import CheckSettings, SmilesChecker
from belka.settings import DataSettings
from components.block_fingerprints.learn import learn_block_fingerprints
from components.molecule_transform.transform import TransformInputs, TransformOutputs, transform_molecules
from components.molecule_transform.unit import ModelReads
from components.smiles_vocab.build import build_vocabulary
from pipeline.create_pipeline import PREPROCESSING_FN

N = 200


def write_molecules(folder: Path) -> list[str]:
    """Molecules of the demo, the last of which belongs to no library."""
    first, amines = amino_acid_blocks()[:4], amine_blocks()[:6]
    triples = np.random.default_rng(5).integers((0, 0, 0), (len(first), len(amines), len(amines)), (N, 3)).tolist()
    catalogue = sorted({block.catalogue_smiles for block in (*first, *amines)})
    chosen = [(first[a], amines[b], amines[c]) for a, b, c in triples]
    smiles = [*(enumerate_product(*blocks) for blocks in chosen), "CC(=O)N[Dy]"]
    ids = [[catalogue.index(block.catalogue_smiles) for block in blocks] for blocks in chosen]
    n = len(smiles)
    columns = {
        dc.MOLECULE_ID: pa.array(range(n), pa.int64()),
        dc.SMILES: smiles,
        dc.SMILES_NO_LINKER: [text.replace(dc.LINKER, dc.LINKER_REPLACEMENT) for text in smiles],
        dc.BINDS: pa.array([[0, 1, 2]] * n, pa.list_(pa.int8(), 3)),
        dc.SPLIT_GROUP: pa.array([0] * n, pa.int8()),
        dc.IDS: pa.array([[None] * 3] * n, pa.list_(pa.int64(), 3)),
        **{
            name: pa.array([*(row[position] for row in ids), None], pa.int32())
            for position, name in enumerate(dc.BLOCK_IDS)
        },
    }
    (folder / "Split-train").mkdir(parents=True)
    pq.write_table(pa.table(columns), folder / "Split-train" / "molecules-00000.parquet")
    blocks = pa.table({"block_id": pa.array(range(len(catalogue)), pa.int32()), "smiles": catalogue})
    pq.write_table(blocks, folder / dc.BLOCKS_FILE)
    return smiles


def test_examples_and_prediction_agree(tmp_path: Path) -> None:
    smiles = write_molecules(tmp_path / "molecules")
    build_vocabulary(tmp_path / "molecules", tmp_path / "vocabulary", n_workers=1)
    learn_block_fingerprints(tmp_path / "molecules", tmp_path / "tables", FingerprintSettings(), n_workers=1)
    summary = transform_molecules(
        TransformInputs(tmp_path / "molecules", tmp_path / "vocabulary", tmp_path / "tables"),
        TransformOutputs(tmp_path / "examples", tmp_path / "graph", tmp_path / "rejected"),
        data=DataSettings(),
        fingerprint=FingerprintSettings(),
        reads=ModelReads(128, blocks=True),
        preprocessing_fn=PREPROCESSING_FN,
    )
    assert (summary["composed"], summary["without_blocks"]) == (N, 1)
    (batch,) = read_examples(list_examples(tmp_path / "examples", "train"), [dc.FEATURE_BLOCKS], n_targets=3)
    in_examples = [row.tobytes() for row in batch.columns[dc.FEATURE_BLOCKS]]
    settings = CheckSettings(frozenset(), 128, None, None, "canonical", rdkit.__version__, block_readers=("net",))
    checker = SmilesChecker(settings)
    for i, text in enumerate(smiles):
        molecule = Chem.MolFromSmiles(text)
        for spelled in (text, Chem.MolToRandomSmilesVect(molecule, 1, randomSeed=i, kekuleSmiles=True)[0]):
            assert (checker.check(spelled).blocks or bytes(dc.BLOCKS_BYTES)) == in_examples[i], spelled
