"""Building blocks are those of used rows, one per structure, whatever their texts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from belka.contract import BLOCKS_FILE, RAW_BLOCKS
from belka.errors import InputError
from belka.raw_directory import TEST, TRAIN
from belka.settings import DataSettings, SystemSettings
from components.parquet_merge import blocks as blocks_module
from components.parquet_merge.blocks import BlockTexts, make_block_table
from components.parquet_merge.validate import validate_raw_files

Row = dict[str, Any]
MakeRow = Callable[..., Row]
WriteRaw = Callable[..., Path]
Merge = Callable[..., dict[str, Any]]

# Block -> another text of it.
OTHER = {
    "C#CCCO": "OCCC#C",
    "CC(=O)O": "C(C)(=O)O",
    "Cc1ccccc1": "CC1=CC=CC=C1",
    "NCc1ccco1": " NCc1ccco1 BB-17",
    "O=C(O)c1ccccc1": "OC(=O)c1ccccc1",
}


def _blocks(folder: Path) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = pq.read_table(folder / BLOCKS_FILE).to_pylist()
    return blocks


def _of(*texts: str) -> dict[str, str]:
    """The blocks of a row."""
    return dict(zip(RAW_BLOCKS, texts, strict=True))


def _library(row: MakeRow, texts: list[str]) -> list[Row]:
    """A molecule for each pair of texts."""
    pairs = [(a, b) for a in texts for b in texts]
    return [
        row(i, "abc", "HSA", 0, molecule_smiles=f"N[Dy]C{i}", **dict(zip(RAW_BLOCKS, (a, b, a), strict=True)))
        for i, (a, b) in enumerate(pairs)
    ]


def test_refused_rows_and_missing_values_have_no_blocks(
    row: MakeRow, write_raw: WriteRaw, merge: Merge, tmp_path: Path
) -> None:
    used = _library(row, list(OTHER))
    faults: list[tuple[str, int, Row]] = [
        ("hsa", 0, {}),
        ("HSA", 7, {}),
        ("HSA", 0, {"molecule_smiles": "nan"}),
        ("HSA", 0, {"id": -5}),
    ]
    refused = [
        {**row(900 + i, "abc", protein, label), **_of(*[f"CCN{'C' * i}"] * 3), **changes}
        for i, (protein, label, changes) in enumerate(faults)
    ]
    refused += [row(950 + i, "abc", "HSA", 0, buildingblock2_smiles=text) for i, text in enumerate(("nan", "NA", " "))]
    test = [row(990, "abc", "HSA", **_of("CC(=O)O", "CC(=O)O", "None"))]
    raw = write_raw(tmp_path / "raw", [*used, *refused], test)
    summary = merge(raw, tmp_path / "out", validation_block_share=0.2)
    assert [block["smiles"] for block in _blocks(tmp_path / "out")] == sorted(OTHER)
    assert summary["files"]["train"]["rejected"] == len(refused)
    assert summary["files"]["train"]["rejected_by_reason"]["building block is missing"] == 3
    assert summary["blocks"] == {"distinct": 5, "in_training": 5, "in_validation": 1, "respelled": 0}
    # The test molecule lacks a block where the library has one.
    assert summary["molecules"]["test"] == {"shared": 0, "non_shared": 1}
    alone = merge(write_raw(tmp_path / "alone", used, test), tmp_path / "without", validation_block_share=0.2)
    assert _blocks(tmp_path / "without") == _blocks(tmp_path / "out")
    assert alone["molecules"] == summary["molecules"]
    report = validate_raw_files(
        raw, data=DataSettings().model_copy(update={"max_rejected_share": 1.0}), system=SystemSettings()
    )
    assert (report.n_blocks, report.n_test_only_blocks) == (5, 0)


def test_a_position_filled_in_refused_rows_alone_is_empty(
    row: MakeRow, write_raw: WriteRaw, merge: Merge, tmp_path: Path
) -> None:
    used = [{**line, "buildingblock3_smiles": "None"} for line in _library(row, list(OTHER))]
    refused = row(900, "abc", "hsa", 0)
    test = [row(990, "abc", "HSA", **_of("CC(=O)O", "CC(=O)O", "nan"))]
    summary = merge(write_raw(tmp_path / "raw", [*used, refused], test), tmp_path / "out")
    assert summary["files"]["train"]["rejected_by_reason"] == {"unknown protein": 1}
    assert summary["molecules"]["test"] == {"shared": 1, "non_shared": 0}
    assert pq.read_table(tmp_path / "out" / "Split-train")["block3_id"].null_count == len(used)


@pytest.mark.parametrize("is_csv", [False, True], ids=["parquet", "csv"])
def test_texts_of_one_structure_are_one_block(
    *, row: MakeRow, write_raw: WriteRaw, merge: Merge, tmp_path: Path, is_csv: bool
) -> None:
    canonical = _library(row, list(OTHER))
    # Every second row writes its blocks otherwise.
    mixed = [
        {**line, **{name: OTHER[line[name]] for name in RAW_BLOCKS}} if i % 2 else line
        for i, line in enumerate(canonical)
    ]
    # A molecule with two spellings of its blocks, and a test molecule whose block training spells otherwise only.
    mixed.append({**canonical[0], **{name: OTHER[canonical[0][name]] for name in RAW_BLOCKS}, "id": 800})
    test = [row(990, "abc", "HSA", **_of(*["C(=O)(C)O"] * 3))]
    results = []
    for name, train in (("one", [*canonical, {**canonical[0], "id": 800}]), ("mixed", mixed)):
        raw = write_raw(tmp_path / f"raw-{name}", train, test)
        if is_csv:
            for path in sorted(raw.glob("*.parquet")):
                pq.read_table(path).to_pandas().to_csv(path.with_suffix(".csv"), index=False)
                path.unlink()
        summary = merge(raw, tmp_path / name, validation_block_share=0.2)
        assert summary["blocks"]["distinct"] == summary["blocks"]["in_training"] == len(OTHER)
        assert summary["molecules_with_several_block_triples"] == 0
        assert summary["molecules"]["test"] == {"shared": 1, "non_shared": 0}
        tables = [pq.read_table(tmp_path / name / f"Split-{split}").to_pylist() for split in ("train", "validation")]
        results.append((_blocks(tmp_path / name), tables, summary["molecules"]))
    assert results[0] == results[1]
    assert [block["smiles"] for block in results[0][0]] == sorted(OTHER)
    assert summary["blocks"]["respelled"] == len(OTHER) + 1


def test_a_text_that_is_no_molecule_is_its_block_without_the_name_after_it(
    row: MakeRow, write_raw: WriteRaw, merge: Merge, tmp_path: Path
) -> None:
    train = [row(0, "aaa", "HSA", 0), row(1, "aaa", "HSA", 0, buildingblock2_smiles="Ca BB-17")]
    summary = merge(write_raw(tmp_path / "raw", train, [row(9, "aaa", "HSA")]), tmp_path / "out")
    assert [block["smiles"] for block in _blocks(tmp_path / "out")] == ["Ca"]
    assert summary["blocks"]["respelled"] == 1


def test_more_blocks_than_codes_are_refused(
    row: MakeRow, write_raw: WriteRaw, merge: Merge, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(blocks_module, "MAX_BLOCKS", 3)
    test = [row(9, "abc", "HSA")]
    summary = merge(write_raw(tmp_path / "three", [row(0, "abc", "HSA", 0)], test), tmp_path / "out")
    assert summary["blocks"]["distinct"] == 3
    with pytest.raises(InputError, match=r"too many distinct building blocks(.|\n)*4(.|\n)*at most 3"):
        merge(write_raw(tmp_path / "four", [row(0, "abd", "HSA", 0)], test), tmp_path / "out4")


def test_codes_tell_which_texts_are_meant() -> None:
    texts = BlockTexts(("Ca", "Cb", "Cc"), {}, ())
    assert texts.codes({"Cb", "Cx"}).tolist() == [False, False, True, False]  # the first is that of no text


def held_out(n_blocks: int, *, seed: int = 42, share: float) -> list[str]:
    """The blocks held out of the first of CCa, CCb, ..., all of them used in training."""
    texts = tuple(f"CC{chr(97 + i)}" for i in range(n_blocks))
    used = np.ones(n_blocks + 1, dtype=np.bool_)
    table = make_block_table(
        BlockTexts(texts, {}, (True, True, True)), {TRAIN: used, TEST: used}, seed=seed, share=share
    )
    return [smiles for smiles, is_held_out in zip(table.smiles, table.in_validation, strict=True) if is_held_out]


@pytest.mark.parametrize(
    ("n_blocks", "share", "n_held_out"),
    [(1, 0.4, 0), (2, 0.01, 1), (2, 0.0, 0), (20, 0.1, 2), (20, 0.12, 2), (20, 0.13, 3)],
)
def test_a_share_is_rounded_but_one_of_several_blocks_is_held_out(n_blocks: int, share: float, n_held_out: int) -> None:
    assert len(held_out(n_blocks, share=share)) == n_held_out


def test_the_draw_of_blocks_stays_what_it_was() -> None:
    """Another draw would move molecules of a library that was split before between training and validation."""
    assert held_out(26, share=0.15) == ["CCp", "CCr", "CCt", "CCz"]
    assert held_out(26, seed=7, share=0.15) == ["CCe", "CCi", "CCn", "CCw"]
    # A further block moves at most one in and one out.
    assert len(set(held_out(25, share=0.15)) ^ set(held_out(26, share=0.15))) <= 2
