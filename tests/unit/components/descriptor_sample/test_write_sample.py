"""The Examples of the stage mtr: RDKit's numbers on one scale, the same bytes each time."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from described_table import Table  # type: ignore[import-not-found]
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import Descriptors

from belka.chemistry.descriptors import DESCRIPTORS
from belka.contract import DESCRIPTORS_FILE, Subset
from belka.errors import InputError
from belka.examples import known_total, list_examples
from belka.tokens.graph import SmilesTokenizer
from components.descriptor_sample import write
from components.descriptor_sample.settings import DescriptorSettings
from components.descriptor_sample.write import Wanted, choose_molecules, write_sample

WANTED = Wanted(DescriptorSettings(molecules=100, validation_molecules=20), seed=3)


@pytest.fixture(scope="module")
def written(table: Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    write_sample(table.folder, table.graph, folder, WANTED)
    return folder


def records(folder: Path, split: str) -> dict[str, list[Any]]:
    """What protobuf reads, without our own reader."""
    import tensorflow as tf

    found: dict[str, list[Any]] = {"tokens": [], "descriptors": [], "split_group": []}
    for path in list_examples(folder, split):
        for record in tf.data.TFRecordDataset(str(path), "GZIP").as_numpy_iterator():
            features = tf.train.Example.FromString(record).features.feature
            assert set(features) == set(found)
            found["tokens"].append(list(features["tokens"].int64_list.value))
            found["descriptors"].append(list(features["descriptors"].float_list.value))
            found["split_group"].append(features["split_group"].int64_list.value[0])
    return found


def by_rdkit(smiles: list[str]) -> NDArray[np.float64]:
    found = [Descriptors.CalcMolDescriptors(Chem.MolFromSmiles(text)) for text in smiles]
    return np.array([[values[name] for name in DESCRIPTORS] for values in found])


def test_examples_hold_the_tokens_and_the_scaled_descriptors_of_the_chosen_molecules(
    table: Table, written: Path
) -> None:
    samples, _ = choose_molecules(table.folder, WANTED)
    learnt = by_rdkit([text for text in samples[Subset.TRAIN].smiles if Chem.MolFromSmiles(text)])
    quartiles = np.percentile(learnt, (25, 50, 75), axis=0)
    iqr = quartiles[2] - quartiles[0]
    for subset in (Subset.TRAIN, Subset.VALIDATION):
        found = records(written, subset.split)
        smiles = [text for text in samples[subset].smiles if Chem.MolFromSmiles(text)]
        assert found["tokens"] == SmilesTokenizer(table.graph)(smiles).to_list()
        usual = iqr > 1e-6
        expected = np.clip((by_rdkit(smiles)[:, usual] - quartiles[1][usual]) / iqr[usual], -5, 5)
        np.testing.assert_allclose(np.array(found["descriptors"])[:, usual], expected, rtol=1e-5, atol=1e-5)
        assert np.isfinite(found["descriptors"]).all()
        assert set(found["split_group"]) <= {0, 1}
    assert known_total(list_examples(written, "validation")) == 20


def test_the_scale_lies_beside_them_and_what_was_left_out_is_counted(written: Path) -> None:
    content = json.loads((written / DESCRIPTORS_FILE).read_text())
    assert content["names"] == list(DESCRIPTORS)
    assert len(content["median"]) == len(content["spread"]) == len(DESCRIPTORS)
    assert content["molecules"] == {"train": 100 - content["unusable"], "validation": 20}
    assert content["recombined"] == 50
    assert "NumRadicalElectrons" in content["constant"]
    assert content["not_finite"] == {}


def test_any_number_of_workers_writes_the_same_bytes(
    table: Table, written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "_IN_PROCESS", 0)
    monkeypatch.setattr(write, "_CHUNK", 7)
    write_sample(table.folder, table.graph, tmp_path, Wanted(WANTED.settings, seed=3, n_workers=2))
    files = sorted(path.relative_to(written) for path in written.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    for name in files:
        assert (tmp_path / name).read_bytes() == (written / name).read_bytes(), name


def test_what_is_no_number_is_told_and_many_molecules_make_many_shards(
    table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def describe(smiles: list[str]) -> NDArray[np.float64]:
        values = np.ones((len(smiles), len(DESCRIPTORS)))
        values[:, 0] = np.arange(len(smiles))
        values[0, 0] = np.nan
        return values

    monkeypatch.setattr(write, "describe", describe)
    monkeypatch.setattr(write, "SHARD_ROWS", 40)
    content = write_sample(table.folder, table.graph, tmp_path, WANTED)
    assert content["not_finite"] == {DESCRIPTORS[0]: 2}  # one of each split
    assert DESCRIPTORS[0] in caplog.text
    assert np.isnan(records(tmp_path, "train")["descriptors"][0][0])
    names = [path.name for path in list_examples(tmp_path, "train")]
    assert names == [f"data_tfrecord-{shard:05d}-of-00003.gz" for shard in range(3)]


def test_without_a_molecule_it_says_what_to_do(table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "describe", lambda smiles: np.full((len(smiles), len(DESCRIPTORS)), np.nan))
    with pytest.raises(InputError, match=r"no molecule to learn descriptors from(.|\n)*take mtr out"):
        write_sample(table.folder, table.graph, tmp_path, WANTED)
