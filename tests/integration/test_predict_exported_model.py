"""`belka predict` with models as the trainer exports them: SMILES alone, or with fingerprints; and plain TensorFlow."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rdkit import Chem
from skfp.fingerprints import ECFPFingerprint, MACCSFingerprint, TopologicalTorsionFingerprint

from belka.chemistry.fingerprints import FingerprintSettings
from belka.contract import FEATURE_ECFP, FEATURE_TOKENS
from belka.demo.blocks import amine_blocks, amino_acid_blocks
from belka.demo.library import enumerate_product
from belka.predict.predict import LoadedModel, predict_file, predict_smiles
from components.molecule_transform.transform_graph import write_transform_graph
from trainer_module.export.export import export_model
from trainer_module.export.saved_model import StoredModel
from trainer_module.model import Belka
from trainer_module.settings import ModelSettings

VOCABULARY = ("[PAD]", "[MASK]", *sorted({*"CNOcno()=#123", "[C@H]", "[C@@H]", "[H]", "Cl", "Br"}))
SMILES = ["CCO", "N[C@H](C)C(=O)N[Dy]", "N[C@@H](C)C(=O)N[Dy]", "c1ccccc1Cl", "C1CC", "C#N", "CCO"]
VALID = [text for text in SMILES if text != "C1CC"]
ECFP = FingerprintSettings(size=256, radius=3, chirality=True)
# Model -> the fingerprint it reads; a model may read none.
FINGERPRINTS: dict[str, FingerprintSettings | None] = {
    "no branch": None,
    "ecfp": ECFP,
    "topological_torsion": FingerprintSettings(size=256, radius=2, chirality=True, kind="topological_torsion"),
    "maccs": FingerprintSettings(size=168, radius=2, chirality=True, kind="maccs"),
}
ORACLES: dict[str, Any] = {
    "no branch": ECFPFingerprint(fp_size=256),
    "ecfp": ECFPFingerprint(fp_size=256, radius=3, include_chirality=True),
    "topological_torsion": TopologicalTorsionFingerprint(fp_size=256, include_chirality=True),
    "maccs": MACCSFingerprint(),
}
COLUMNS = ["probability_BRD4", "probability_HSA", "probability_sEH"]


def make_model(folder: Path, fingerprint: FingerprintSettings | None, spelling: str = "") -> Belka:
    write_transform_graph(
        folder / "graph", preprocessing_fn="trainer_module.preprocessing.preprocessing_fn", vocabulary=VOCABULARY
    )
    settings = ModelSettings(depth=8, num_heads=2, num_layers=1, ecfp_branch=fingerprint is not None)
    size = (fingerprint or ECFP).size
    model = Belka(mode="clf", settings=settings, vocab_size=len(VOCABULARY), n_targets=3, ecfp_size=size)
    generator = np.random.default_rng(5)
    model.set_weights([weight + generator.normal(0, 0.3, weight.shape) for weight in model.get_weights()])
    stored = StoredModel(model, VOCABULARY, ("BRD4", "HSA", "sEH"), fingerprint or ECFP, spelling)
    export_model(stored, folder / "graph", folder / "model")
    return model


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Belka]]:
    found = {}
    for name, fingerprint in FINGERPRINTS.items():
        folder = tmp_path_factory.mktemp("model")
        found[name] = (folder / "model", make_model(folder, fingerprint))
    return found


def expected(model: Belka, name: str) -> NDArray[np.float32]:
    plain = [text.replace("[Dy]", "[H]") for text in VALID]
    import atomInSmiles

    tokens = [[VOCABULARY.index(token) for token in atomInSmiles.smiles_tokenizer(text)] for text in plain]
    width = max(map(len, tokens))
    inputs = {
        FEATURE_TOKENS: np.array([row + [0] * (width - len(row)) for row in tokens], np.int32),
        FEATURE_ECFP: np.packbits(ORACLES[name].transform(plain), axis=1),
    }
    return np.asarray(model(inputs), np.float32)


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_probabilities_are_those_of_the_model(
    exported: dict[str, tuple[Path, Belka]], tmp_path: Path, name: str
) -> None:
    folder, model = exported[name]
    table = predict_smiles(folder, SMILES)
    assert table["problem"].to_pylist() == ["", "", "", "", "unparsable SMILES", "", ""]
    scored = np.array(
        [row for row in zip(*(table[name].to_pylist() for name in COLUMNS), strict=True) if row[0] is not None]
    )
    np.testing.assert_allclose(scored, expected(model, name), atol=1e-6)
    # Only the fingerprint tells the enantiomers from each other, were it not for their tokens; a wrong row would show.
    assert len(np.unique(scored[:, 0])) == len(set(VALID))
    (tmp_path / "in.csv").write_text("smiles\n" + "".join(f"{text}\n" for text in SMILES * 200))
    done = predict_file(folder, tmp_path / "in.csv", tmp_path / "out.parquet", n_workers=2)
    assert (done.rows, done.scored) == (1400, 1200)


def test_two_hundred_molecules_score_the_same_bits_however_they_are_spelled(tmp_path: Path) -> None:
    make_model(tmp_path, ECFP, "canonical")
    first, amines = amino_acid_blocks(), amine_blocks()
    smiles = [enumerate_product(first[i % len(first)], amines[i % len(amines)], amines[i // 5]) for i in range(200)]
    molecules = [Chem.MolFromSmiles(text) for text in smiles]
    model = LoadedModel(tmp_path / "model")
    expected = model.predict(smiles).select(COLUMNS)
    assert len(set(expected["probability_BRD4"].to_pylist())) > 190
    for others in (
        [Chem.MolToSmiles(molecule, kekuleSmiles=True) for molecule in molecules],
        [Chem.MolToRandomSmilesVect(molecule, 1, randomSeed=3)[0] for molecule in molecules],
        [Chem.MolToSmiles(Chem.AddHs(molecule)) for molecule in molecules],
        [text.replace("[Dy]", "[H]") for text in smiles],
    ):
        assert not set(others) & set(smiles)
        assert model.predict(others).select(COLUMNS).equals(expected)


def test_plain_tensorflow_serves_the_model_without_this_project(
    exported: dict[str, tuple[Path, Belka]], tmp_path: Path
) -> None:
    folder, model = exported["no branch"]
    script = """
import importlib.util, json, sys
sys.path.append(sys.argv[1])
assert importlib.util.find_spec("trainer_module") is None and importlib.util.find_spec("components") is None
import tensorflow as tf
served = tf.saved_model.load(sys.argv[2]).signatures["smiles"]
found = served(smiles=tf.constant(json.loads(sys.argv[3])))
outputs = {name: values.numpy().tolist() for name, values in found.items()}
first, names = served.outputs[0].shape.rank, sorted(served.structured_outputs)
print(json.dumps({"first": first, "names": names, "outputs": outputs}))
assert not {"tensorflow_transform", "rdkit"} & sys.modules.keys()
"""
    # -S leaves the project's editable install out of the path; -I the environment and the working directory.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, sysconfig.get_path("purelib"), str(folder), json.dumps(VALID)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    # The names of the targets stand in the signature, and `probabilities` is still its first output.
    assert (found["first"], found["names"]) == (2, ["probabilities", *COLUMNS])
    probabilities = np.array(found["outputs"]["probabilities"])
    np.testing.assert_allclose(probabilities, expected(model, "no branch"), atol=1e-6)
    assert np.array_equal(probabilities, np.stack([found["outputs"][name] for name in COLUMNS], axis=1))
