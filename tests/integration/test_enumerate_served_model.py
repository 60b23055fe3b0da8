"""The best of all products are those that scoring each of them by the served model gives."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from belka.contract import SIGNATURE_FEATURES
from belka.demo.blocks import amine_blocks, amino_acid_blocks
from belka.digests import file_digest
from belka.enumeration.enumerate import Ranking, enumerate_library, linear_source, predicted
from belka.enumeration.library import ProductBlock, ProductLibrary, make_library
from belka.enumeration.select import Wanted
from belka.errors import BelkaError, InputError
from belka.models.folder import ModelFolder, open_model_folder
from belka.models.linear_member import read_linear_member
from belka.models.loader import Signature
from benchmarks.served_linear import export_linear
from pipeline.cli.main import app

TARGETS = ("BRD4", "sEH")
N_BITS = 512
FIRST, AMINES = amino_acid_blocks()[::4], amine_blocks()[::4]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    generator = np.random.default_rng(1)
    weights = generator.normal(scale=0.25, size=(N_BITS, 2)).astype(np.float32)
    return export_linear(tmp_path_factory.mktemp("model") / "1", weights, np.array([-1, 1], np.float32), TARGETS)


@pytest.fixture(scope="module")
def library() -> ProductLibrary:
    first, amines = (
        [ProductBlock(block.catalogue_smiles, block.fragment) for block in blocks] for blocks in (FIRST, AMINES)
    )
    return make_library((first, amines, amines))


@pytest.fixture(scope="module")
def products(model: Path, library: ProductLibrary) -> dict[str, list[float]]:
    """SMILES of every product -> its probabilities by `belka predict`."""
    places = range(len(library.amines))
    smiles = [library.smiles(a, b, c) for a in range(len(library.first)) for b in places for c in places if b <= c]
    columns = predicted(open_model_folder(model), smiles)
    scores = [columns[f"probability_{target}"].to_pylist() for target in TARGETS]
    return dict(zip(smiles, map(list, zip(*scores, strict=True)), strict=True))


def test_the_weights_are_those_the_model_is_served_with(model: Path) -> None:
    opened = open_model_folder(model)
    member = read_linear_member(opened)
    bits = np.random.default_rng(2).random((200, N_BITS)) < 0.1
    packed = [row.tobytes() for row in np.packbits(bits, axis=1)]
    served = Signature(opened.path, SIGNATURE_FEATURES, ("smiles", "ecfp", "blocks"))
    found = served([""] * 200, packed, [b""] * 200)
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-(bits @ member.weights + member.bias))), rtol=2e-6)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("count", [1, 40, 700])
def test_the_best_are_those_of_scoring_everything_by_the_served_model(
    model: Path, library: ProductLibrary, products: dict[str, list[float]], target: str, count: int
) -> None:
    column = TARGETS.index(target)
    source = linear_source(open_model_folder(model), target, library)
    assert source.library.size == len(products)
    by_score = enumerate_library(source, target, Wanted(count), Ranking(count))
    by_model = enumerate_library(source, target, Wanted(count), Ranking(count, by_model=True))
    everything = sorted((scores[column] for scores in products.values()), reverse=True)
    for found in (by_score, by_model):
        smiles = found.table["smiles"].to_pylist()
        assert len(set(smiles)) == count
        assert sorted((products[each][column] for each in smiles), reverse=True) == everything[:count]
    assert by_model.table[f"probability_{target}"].to_pylist() == everything[:count]
    scores = by_score.table["score"].to_pylist()
    assert scores == sorted(scores, reverse=True)
    counts = by_score.best.counts
    assert (counts.products, counts.opened + counts.bounded) == (len(products), len(products))
    assert counts.opened < len(products) or count > len(products) // 2


def test_a_pool_grows_until_enough_may_be_taken(model: Path, library: ProductLibrary) -> None:
    source = linear_source(open_model_folder(model), "sEH", library)
    everything = enumerate_library(source, "sEH", Wanted(source.library.size), Ranking(1)).table
    few = enumerate_library(source, "sEH", Wanted(12, per_pair=1), Ranking(12))
    rows = everything.select(["block1", "block2", "block3", "smiles"]).to_pylist()
    used: set[tuple[str, ...]] = set()
    expected: list[str] = []
    for row in rows:
        a, b, c = row["block1"], *sorted((row["block2"], row["block3"]))
        pairs = {("1", a, b), ("1", a, c), ("2", b, c)}
        if not pairs & used and len(expected) < 12:
            used |= pairs
            expected.append(row["smiles"])
    assert few.table["smiles"].to_pylist() == expected
    assert few.chosen.passed_over["pair of blocks"] > 0
    whole = enumerate_library(source, "sEH", Wanted(10**6), Ranking(1))
    assert whole.table.num_rows == source.library.size


def test_what_rdkit_computes_is_compared(model: Path, library: ProductLibrary) -> None:
    source = linear_source(open_model_folder(model), "sEH", library)
    rows = source.rows
    assert rows is not None
    rows.amines[:, 0] ^= 255
    with pytest.raises(BelkaError, match="differs from the one RDKit computes"):
        enumerate_library(source, "sEH", Wanted(5), Ranking(5))


def test_a_model_without_such_a_member_is_refused(model: Path) -> None:
    opened = open_model_folder(model)
    other = ModelFolder(
        opened.path, opened.targets, opened.vocabulary, 128, opened.ecfp, members=("transformer", "net")
    )
    with pytest.raises(InputError, match="no member that scores fingerprints linearly"):
        read_linear_member(other)


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["enumerate", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_writes_a_table_and_what_it_was_made_from(
    model: Path, products: dict[str, list[float]], tmp_path: Path
) -> None:
    for name, blocks in (("first.smi", FIRST), ("amines.smi", AMINES)):
        (tmp_path / name).write_text("".join(f"{block.catalogue_smiles}\n" for block in blocks) + "CCO\n")
    files = [
        "--block1",
        tmp_path / "first.smi",
        "--block2",
        tmp_path / "amines.smi",
        "--block3",
        tmp_path / "amines.smi",
    ]
    told = run(
        "--top", 20, "--model", model, "--target", "sEH", *files, "--filter", "mw<=420", "--out", tmp_path / "a.csv"
    )
    assert "20 molecules" in told
    assert f"{len(products):,} products" in told
    assert "3 blocks were left out" in told
    table = pc.read_csv(tmp_path / "a.csv")
    assert table.column_names[:6] == ["rank", "smiles", "block1", "block2", "block3", "score"]
    assert max(table["mw"].to_pylist()) <= 420
    for smiles, probability in zip(table["smiles"].to_pylist(), table["probability_sEH"].to_pylist(), strict=True):
        assert np.float32(probability) == np.float32(products[smiles][1])
    assert all(a >= b for a, b in pairwise(table["probability_sEH"].to_pylist()))
    record = json.loads((tmp_path / "a.csv.provenance.json").read_text())
    assert record["products"] == record["products_opened"] + record["products_bounded"] == len(products)
    assert [gone["reason"].split()[0] for gone in record["left_out"]] == ["0"] * 3
    assert record["target"] == "sEH"
    assert len(record["model_digest"]) == 64
    assert record["block1"] == {"path": str(tmp_path / "first.smi"), "digest": file_digest(tmp_path / "first.smi")}
    run("--top", 3, "--model", model, "--target", "sEH", *files, "--rank-by", "score", "--out", tmp_path / "b.parquet")
    assert pq.read_table(tmp_path / "b.parquet").column_names == table.column_names[:6]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "m"], "takes one library"),
        (["--model", "m", "--library", "l", "--block1", "b"], "takes one library"),
        (["--model", "m", "--block1", "b", "--block2", "b"], "takes one library"),
        (["--library", "l"], "nothing to rank by"),
        (["--library", "l", "--odds", "o", "--rank-by", "model"], "nothing to rank by"),
    ],
)
def test_wrong_use_is_told(arguments: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        run("--top", 3, "--out", tmp_path / "o.csv", *arguments)


def test_a_target_must_be_named_where_there_are_several(model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.smi").write_text("*NCC(=O)N[Dy]\n")
    (tmp_path / "b.smi").write_text("CCN\nCCCN\n")
    files = ["--block1", tmp_path / "a.smi", "--block2", tmp_path / "b.smi", "--block3", tmp_path / "b.smi"]
    for target, message in (([], "several targets"), (["--target", "HSA"], "does not know the target")):
        with pytest.raises(InputError, match=message):
            run("--top", 3, "--model", model, *files, *target, "--out", tmp_path / "o.csv")
