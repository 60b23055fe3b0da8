"""BlockStatistics: the tables, and the page that shows them."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from components.block_statistics.component import BlockStatistics
from components.block_statistics.describe import describe_blocks

Writer = Callable[..., Path]
SMILES = ["NCC", "CN", "OC=O", "=<b>&cmd"]
ROWS: list[Any] = [
    *[("train", (2, 0, 1), (1,))] * 40,
    *[("train", (2, 1, 3), (0,))] * 400,
    *[("train", (2, 3, 0), (1,))] * 40,
]


def test_the_page_draws_what_is_enriched(molecules_writer: Writer, tmp_path: Path) -> None:
    table = molecules_writer(tmp_path / "in", SMILES, ROWS, ["HSA"])
    summary = describe_blocks(table, tmp_path / "out", n_workers=1)
    assert summary["molecules"] == 480
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "blocks.parquet",
        "pairs.parquet",
        "summary.json",
        "enrichment.html",
    }
    page = (tmp_path / "out" / "enrichment.html").read_text(encoding="utf-8")
    cards = re.findall(r"<figure>.*?</figure>", page, re.DOTALL)
    best = next(card for card in cards if "position 2: NCC" in card)
    assert "40 of 40 known labels are hits" in best
    assert "<svg" in best
    assert not any("position 2: CN<" in card for card in cards)  # its molecules do not bind
    assert "position 2: =&lt;b&gt;&amp;cmd" in page  # no molecule, and no HTML
    assert "<b>&cmd" not in page
    for picture in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ET.fromstring(picture)  # noqa: S314 - our own page
    assert not re.search(r"(?:src|href)=[\"']?https?:", page)


def test_a_page_is_the_same_for_the_same_molecules(molecules_writer: Writer, tmp_path: Path) -> None:
    pages = []
    for name, shards in (("a", 1), ("b", 4)):
        table = molecules_writer(tmp_path / name, SMILES, ROWS, ["HSA"], shards)
        describe_blocks(table, tmp_path / f"{name}o", n_workers=2)
        pages.append((tmp_path / f"{name}o" / "enrichment.html").read_bytes())
    assert pages[0] == pages[1]


@pytest.mark.parametrize("rows", [[("train", (None, None, None), (1, 0))], [("train", (0, 1, None), (2, 2))] * 2])
def test_molecules_without_blocks_or_labels_have_a_page(
    molecules_writer: Writer, tmp_path: Path, rows: list[Any]
) -> None:
    describe_blocks(molecules_writer(tmp_path / "in", SMILES, rows, ["HSA", "sEH"]), tmp_path, n_workers=1)
    page = (tmp_path / "enrichment.html").read_text(encoding="utf-8")
    assert page.count("None whose interval lies above the mean.") == 4


def test_component_declares_what_comes_in_and_goes_out() -> None:
    assert set(BlockStatistics.SPEC_CLASS.INPUTS) == {"molecules"}
    assert set(BlockStatistics.SPEC_CLASS.OUTPUTS) == {"block_statistics"}
