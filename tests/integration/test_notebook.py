"""`import belka` as a notebook uses it: the docstrings' examples run, on a small model and a molecules table."""

import doctest
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from atomInSmiles import smiles_tokenizer
from skfp.fingerprints import ECFPFingerprint, MACCSFingerprint

import belka
from belka import notebook
from belka.chemistry.fingerprints import FingerprintSettings
from belka.contract import BINDS, SMILES
from belka.errors import InputError
from belka.models.champion import Champion, model_digest, write_champion
from belka.predict.predict import predict_smiles
from components.molecule_transform.transform_graph import write_transform_graph
from pipeline.create_pipeline import PREPROCESSING_FN
from trainer_module.export.export import export_model
from trainer_module.export.saved_model import StoredModel
from trainer_module.model import Belka
from trainer_module.settings import ModelSettings

VOCABULARY = ("[PAD]", "[MASK]", *sorted({*"CNOcno()=#123", "[C@H]", "[H]", "Cl", "Br"}))
TARGETS = ("BRD4", "HSA", "sEH")


def write_model(folder: Path) -> None:
    write_transform_graph(folder / "graph", preprocessing_fn=PREPROCESSING_FN, vocabulary=VOCABULARY)
    settings = ModelSettings(depth=8, num_heads=2, num_layers=1)
    model = Belka(mode="clf", settings=settings, vocab_size=len(VOCABULARY), n_targets=3, ecfp_size=2048)
    version = folder / "model" / "1700000000"
    export_model(StoredModel(model, VOCABULARY, TARGETS, FingerprintSettings()), folder / "graph", version)
    write_champion(folder / "model", Champion(version.name, model_digest(version)))


def write_molecules(folder: Path, split: str, smiles: list[str]) -> None:
    path = folder / f"Split-{split}" / "molecules-00000.parquet"
    path.parent.mkdir(parents=True)
    binds = pa.array([[0, 1, 2]] * len(smiles), pa.list_(pa.int8(), 3))
    pq.write_table(pa.table({SMILES: smiles, BINDS: binds}), path)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `output`, as a run leaves it."""
    folder = tmp_path_factory.mktemp("workplace")
    write_model(folder / "output")
    tables = folder / "output" / "pipeline_root" / "parquet-merge" / "molecules"
    write_molecules(tables / "9", "train", ["CCO"])
    write_molecules(tables / "10", "train", ["CCO", "CCN"])
    write_molecules(tables / "10", "validation", ["CCC"])
    return folder


@pytest.mark.parametrize("name", belka.__all__)
def test_the_example_of_each_name_runs(name: str, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    (example,) = doctest.DocTestFinder(recurse=False).find(getattr(belka, name), name, globs={})
    assert example.examples, f"{name} has no example"
    report: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF).run(example, out=report.append)
    assert not report, "".join(report)


def test_a_loaded_model_predicts_what_the_command_line_does(workplace: Path) -> None:
    texts = ["CCO", "C1CC", "c1ccccc1Cl", "N[C@H](C)C(=O)N[Dy]", "CCO"]
    model = belka.load_model(workplace / "output" / "model")
    assert model.targets == TARGETS
    assert model.predict(texts).equals(predict_smiles(workplace / "output" / "model", texts))
    assert model.predict(texts[:1]).num_rows == 1  # a second time, without loading


def test_fingerprints_are_those_of_scikit_fingerprints() -> None:
    smiles = ["CCO", "N[C@H](C)C(=O)N[H]", "c1ccccc1Cl"]
    oracle = ECFPFingerprint(fp_size=2048, radius=2, include_chirality=True)
    np.testing.assert_array_equal(belka.fingerprints(smiles), oracle.transform(smiles))
    keys = belka.fingerprints(smiles, belka.FingerprintSettings(kind="maccs", size=168))
    np.testing.assert_array_equal(keys[:, :166], MACCSFingerprint().transform(smiles))
    np.testing.assert_array_equal(belka.fingerprints(["CN[Dy]"]), belka.fingerprints(["CN[H]"]))
    assert belka.fingerprints([]).shape == (0, 2048)


def test_what_is_no_molecule_has_no_fingerprint() -> None:
    with pytest.raises(InputError, match=r"smiles\[1\] = 'C1C': unparsable SMILES"):
        belka.fingerprints(["CCO", "C1C"])


@pytest.mark.parametrize("smiles", ["CCO", "Clc1ccc(Br)cc1%12[C@@H]", "C[Si](C)", "x[]C", "e[Dy"])
def test_tokens_are_those_of_atom_in_smiles(smiles: str) -> None:
    assert belka.tokenize(smiles) == smiles_tokenizer(smiles)


@pytest.mark.parametrize("text", ["", "nan", "é[Dy"])
def test_what_is_no_smiles_has_no_tokens(text: str) -> None:
    with pytest.raises(InputError, match="A SMILES is no molecule"):
        belka.tokenize(text)


def test_the_linker_reads_as_hydrogen() -> None:
    assert belka.tokenize("N[Dy]") == ["N", "[H]"]


def test_the_newest_molecules_of_a_run_are_read(workplace: Path) -> None:
    output = workplace / "output"
    assert belka.read_molecules(output)[SMILES].to_pylist() == ["CCO", "CCN"]
    assert belka.read_molecules(output, "validation")[SMILES].to_pylist() == ["CCC"]
    one = output / "pipeline_root" / "parquet-merge" / "molecules" / "9"
    assert belka.read_molecules(one, columns=[BINDS]).column_names == [BINDS]
    empty = belka.read_molecules(output, "test")
    assert (empty.num_rows, empty.column_names) == (0, [SMILES, BINDS])


def test_wrong_use_is_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no such split"):
        belka.read_molecules(tmp_path, "valid")
    with pytest.raises(InputError, match="There are no molecules"):
        belka.read_molecules(tmp_path)
    with pytest.raises(InputError, match="There is no exported model"):
        belka.load_model(tmp_path)


def test_names_are_loaded_on_first_use() -> None:
    loaded = "'belka.notebook' in sys.modules"
    code = f"import sys, belka; print(dir(belka), {loaded}); belka.read_molecules; print({loaded})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{sorted(belka.__all__)} False\nTrue\n"
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        belka.no_such_name  # type: ignore[attr-defined]  # noqa: B018
    assert set(belka.__all__) == set(notebook.__all__)
