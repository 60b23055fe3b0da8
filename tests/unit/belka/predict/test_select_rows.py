"""`--select`: what is promised of which rows, and that the file holds every row as before."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from belka import contract as dc
from belka.chemistry.reader import Chemistry, packed_block
from belka.chemistry.smiles import parse
from belka.errors import InputError
from belka.models.selection_scores import SelectionScores, write_selection_scores
from belka.predict import check_pool, predict
from belka.predict import table_input as tables
from belka.predict.predict import predict_file
from belka.predict.select_rows import Wish
from belka.predict.selection import lowest_score

TARGETS = ("BRD4", "sEH")
KNOWN = "C#CCNc1nc(NC2CC2)nc(NCC(=O)N[Dy])n1"
ONE_NEW = "CCCNc1nc(NC2CC2)nc(NCC(=O)N[Dy])n1"
TWO_NEW = "CCCNc1nc(NC2CCCC2)nc(NCC(=O)N[Dy])n1"
NO_CORE = "CCO"


class _Lengths(tf.Module):
    """A model whose probability is the length of the SMILES over one hundred, for one target, and 1 minus that."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "smiles")])
    def smiles(self, smiles: tf.Tensor) -> dict[str, tf.Tensor]:
        length = tf.cast(tf.strings.length(smiles), tf.float32) / 100
        return {dc.OUTPUT_PROBABILITIES: tf.stack([length, 1 - length], axis=1)}


def held_out(counts: dict[int, int]) -> tuple[SelectionScores, np.ndarray]:
    """Molecules with so many new blocks each, all of which bind BRD4 from 0.3 on."""
    generator = np.random.default_rng(0)
    blocks = np.full((sum(counts.values()), 3), -1, np.int32)
    start = 0
    for number, size in counts.items():
        for position in range(number):
            blocks[start : start + size, position] = generator.integers(100 * position, 100 * position + 60, size)
        start += size
    scores = generator.random((len(blocks), 2)).astype(np.float32)
    return SelectionScores(scores, (scores > [0.3, 2.0]).astype(np.int8), blocks), np.arange(len(blocks))


def write_model(folder: Path, counts: dict[int, int], *, knows_blocks: bool = True) -> Path:
    model = _Lengths()
    tf.saved_model.save(model, str(folder), signatures={"smiles": model.smiles})
    description = {"model": {"mode": "clf", "max_length": 128}, "vocabulary": ["C"], "targets": TARGETS}
    (folder / dc.DESCRIPTION_FILE).write_text(json.dumps({**description, "spelling": "as_given"}))
    write_selection_scores(*held_out(counts), folder)
    if knows_blocks:
        molecule = parse(KNOWN.replace("[Dy]", "[H]"))
        assert not isinstance(molecule, str)
        packed = sorted(map(packed_block, Chemistry().blocks(molecule)))
        pq.write_table(pa.table({"bits": pa.array(packed, pa.binary(256))}), folder / dc.TRAINING_BLOCKS_FILE)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"), {0: 300, 1: 400})


def selected(model: Path, folder: Path, smiles: list[str], *wishes: str) -> dict[str, list[bool | None]]:
    (folder / "in.smi").write_text("\n".join(smiles) + "\n")
    predict_file(model, folder / "in.smi", folder / "out.parquet", select=[Wish.parse(wish) for wish in wishes])
    table = pq.read_table(folder / "out.parquet")
    assert table["smiles"].to_pylist() == smiles
    return {name: table[name].to_pylist() for name in table.column_names if name.startswith("selected_")}


def test_rows_are_selected_by_their_score_and_nothing_is_promised_of_the_rest(model: Path, tmp_path: Path) -> None:
    """Two new blocks are more than held-out molecules have; a molecule without the core is of no library."""
    rows = [KNOWN, ONE_NEW, TWO_NEW, NO_CORE, "C1CC"]
    assert selected(model, tmp_path, rows, "BRD4:0.9", "sEH:0.9") == {
        "selected_BRD4": [True, True, None, None, None],
        "selected_sEH": [None] * 5,  # none of the held-out molecules binds
    }


def test_where_a_list_ends_is_what_the_held_out_molecules_of_its_kind_say(model: Path, tmp_path: Path) -> None:
    scores, _ = held_out({0: 300, 1: 400})
    for stratum, base in ((0, KNOWN), (1, ONE_NEW)):
        of = (scores.new_blocks >= 0).sum(axis=1) == stratum
        args = scores.probabilities[of, 0], scores.labels[of, 0] == 1, scores.new_blocks[of]
        end = lowest_score(*args, share=0.9, n_units=1)
        assert 0.1 < end < 0.5
        assert selected(model, tmp_path, [base], "BRD4:0.9")["selected_BRD4"] == [len(base) / 100 >= end]


def test_without_known_blocks_held_out_ones_stand_in_for_them(tmp_path: Path) -> None:
    only_new = write_model(tmp_path / "model", {1: 400})
    assert selected(only_new, tmp_path, [KNOWN, ONE_NEW], "BRD4:0.9")["selected_BRD4"] == [True, True]


def test_a_model_that_knows_no_blocks_takes_all_molecules_for_alike(tmp_path: Path) -> None:
    plain = write_model(tmp_path / "model", {0: 300}, knows_blocks=False)
    assert selected(plain, tmp_path, [KNOWN, "C" * 40, "C", "C1"], "BRD4:0.9")["selected_BRD4"] == [
        True,
        True,
        False,
        None,
    ]


def test_every_row_stays_in_its_place_whatever_the_chunks(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [KNOWN, "C1", ONE_NEW, NO_CORE] * 30
    (tmp_path / "in.csv").write_text("id,smiles\n" + "".join(f"{i},{text}\n" for i, text in enumerate(rows)))
    wishes = [Wish("BRD4", 0.9)]
    predict_file(model, tmp_path / "in.csv", tmp_path / "whole.csv", select=wishes)
    monkeypatch.setattr(tables, "CHUNK_ROWS", 7)
    monkeypatch.setattr(check_pool, "_PART_ROWS", 5)
    monkeypatch.setattr(predict, "_SELECTED_ROWS", 5)
    done = predict_file(model, tmp_path / "in.csv", tmp_path / "parts.csv", select=wishes)
    assert (tmp_path / "whole.csv").read_bytes() == (tmp_path / "parts.csv").read_bytes()
    assert pc.read_csv(tmp_path / "parts.csv")["id"].to_pylist() == list(range(120))
    assert done.selected == (
        (
            "BRD4: 60 of 120 rows selected; of lists like this 90% hold at least 90% binders, "
            "if binders are as frequent as in validation; nothing is promised of 60 rows"
        ),
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "parts.csv", "whole.csv"]


def test_a_file_without_rows_has_the_column(model: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("smiles\n")
    predict_file(model, tmp_path / "in.csv", tmp_path / "out.csv", select=[Wish("BRD4", 0.9)])
    assert (tmp_path / "out.csv").read_text().strip().endswith('"selected_BRD4"')


@pytest.mark.parametrize("text", ["BRD4", "BRD4:", ":0.9", "BRD4:1", "BRD4:0", "BRD4:nan", "BRD4:x"])
def test_what_is_no_wish_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="TARGET:SHARE"):
        Wish.parse(text)


def test_a_target_may_hold_a_colon() -> None:
    assert Wish.parse("a:b:0.5") == Wish("a:b", 0.5)


def test_a_model_that_cannot_promise_says_why(model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not predict a target"):
        selected(model, tmp_path, [KNOWN], "HSA:0.9")
    with pytest.raises(InputError, match="asked for twice"):
        selected(model, tmp_path, [KNOWN], "BRD4:0.9", "BRD4:0.8")
    older = write_model(tmp_path / "model", {0: 30})
    (older / dc.SELECTION_FILE).unlink()
    with pytest.raises(InputError, match="cannot tell where a list may end"):
        selected(older, tmp_path, [KNOWN], "BRD4:0.9")
    assert not (tmp_path / "out.parquet").exists()
