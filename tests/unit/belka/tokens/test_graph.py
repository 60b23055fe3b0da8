"""The token ids of the graph equal atomInSmiles plus the vocabulary, for real and odd strings, also after export."""

import random
import shutil
from pathlib import Path

import keras
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from atomInSmiles import smiles_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st

from belka.tokens.graph import SmilesTokenizer, tokenize
from components.molecule_transform.transform_graph import write_transform_graph
from tests.unit.belka.tokens.conftest import ODD
from trainer_module.preprocessing import preprocessing_fn

SAMPLE = Path(__file__).parents[4] / "../shared/data/leash_sample"
VOCABULARY = [
    "[PAD]",
    "[MASK]",
    "#",
    "%12",
    "%99",
    "(",
    ")",
    "-",
    "1",
    "2",
    "=",
    "B",
    "Br",
    "C",
    "Cl",
    "N",
    "[C@@H]",
    "[H]",
    "[[C]",
    "[a b]",
    "[é]",
    "\\",
    "c",
    "n",
]
IDS = {token: position for position, token in enumerate(VOCABULARY)}
STRINGS = st.lists(st.sampled_from(ODD) | st.text("[]%BrCl12Dyé", max_size=6), max_size=5).map("".join) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=8
)


def expected_ids(smiles: str, ids: dict[str, int]) -> list[int]:
    tokens = smiles_tokenizer(smiles.replace("[Dy]", "[H]"))
    return [1 if token in ("[PAD]", "[MASK]") else ids.get(token, 1) for token in tokens]


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("preprocessing") / "graph"
    write_transform_graph(
        folder, preprocessing_fn="trainer_module.preprocessing.preprocessing_fn", vocabulary=VOCABULARY
    )
    return folder


tokenize_odd = tf.function(
    lambda smiles: tokenize(smiles, VOCABULARY), input_signature=[tf.TensorSpec([None], tf.string)]
)


@given(st.lists(STRINGS, max_size=10))
@settings(max_examples=300, deadline=None)
def test_ids_of_any_strings_equal_atom_in_smiles(strings: list[str]) -> None:
    ids = tokenize_odd(tf.constant(strings, tf.string, shape=[len(strings)])).to_list()
    assert ids == [expected_ids(text, IDS) for text in strings]


def test_ids_of_many_dense_odd_strings_in_one_batch() -> None:
    generator = random.Random(3)  # noqa: S311 - reproducible odd strings
    strings = ["".join(generator.choices([*ODD, "C", "N"], k=generator.randrange(7))) for _ in range(5000)]
    assert tokenize_odd(tf.constant(strings)).to_list() == [expected_ids(text, IDS) for text in strings]


@pytest.mark.skipif(not SAMPLE.exists(), reason="the real sample is not beside the checkout")
def test_ids_of_every_real_molecule_equal_atom_in_smiles() -> None:
    smiles: list[str] = []
    for split in ("train", "test"):
        smiles += pq.read_table(SAMPLE / f"{split}.parquet")["molecule_smiles"].unique().to_pylist()
    tokens = [smiles_tokenizer(text.replace("[Dy]", "[H]")) for text in smiles]
    vocabulary = ["[PAD]", "[MASK]", *sorted({token for row in tokens for token in row})]
    ids = {token: position for position, token in enumerate(vocabulary)}
    ragged = tokenize(tf.constant(smiles), vocabulary)
    assert len(smiles) >= 59_963
    assert ragged.row_lengths().numpy().tolist() == [len(row) for row in tokens]
    assert ragged.values.numpy().tolist() == [ids[token] for row in tokens for token in row]
    assert 1 not in ragged.values.numpy()


@pytest.mark.parametrize("vocabulary", [["[PAD]", "[MASK]"], ["[PAD]", "[MASK]", "C"]])
def test_vocabularies_without_bracket_tokens_map_them_to_mask(vocabulary: list[str]) -> None:
    ragged = tokenize(tf.constant(["C[H]%12Br", ""]), vocabulary)
    assert ragged.to_list() == [[len(vocabulary) - 1, 1, 1, 1], []]
    assert ragged.dtype == tf.int64


def test_preprocessing_fn_takes_the_vocabulary_from_its_configuration() -> None:
    outputs = preprocessing_fn({"smiles": tf.constant(["C", "N[Dy]"])}, {"vocabulary": VOCABULARY})
    assert list(outputs) == ["tokens"]
    assert outputs["tokens"].to_list() == [[IDS["C"]], [IDS["N"], IDS["[H]"]]]


class Doubler(keras.Model):
    def call(self, ids: tf.Tensor) -> tf.Tensor:
        return ids * 2


def test_exported_model_takes_raw_smiles_and_can_be_moved(graph: Path, tmp_path: Path) -> None:
    moved_graph = tmp_path / "moved_graph"
    shutil.copytree(graph, moved_graph)
    tokenizer = SmilesTokenizer(moved_graph)
    model = Doubler()
    model(tf.zeros([1, 4], tf.int64))
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.track(tokenizer)
    archive.add_endpoint(
        "smiles",
        lambda smiles: {"doubled": model(tokenizer(smiles).to_tensor())},
        input_signature=[tf.TensorSpec([None], tf.string, name="smiles")],
    )
    archive.write_out(str(tmp_path / "exported"))
    shutil.rmtree(moved_graph)
    (tmp_path / "exported").rename(tmp_path / "elsewhere")
    loaded = tf.saved_model.load(str(tmp_path / "elsewhere"))
    doubled = loaded.signatures["smiles"](smiles=tf.constant(["C[Dy]", "[Zr]NC"]))["doubled"]
    expected = [expected_ids("C[Dy]", IDS), expected_ids("[Zr]NC", IDS)]
    assert doubled.numpy().tolist() == [[2 * i for i in expected[0]] + [0], [2 * i for i in expected[1]]]
