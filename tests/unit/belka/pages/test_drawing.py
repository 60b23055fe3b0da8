"""Molecules drawn for pages."""

import sys
from xml.etree import ElementTree as ET

import pytest

from belka.pages import drawing
from belka.pages.drawing import draw_smiles


def test_drawings_take_the_colour_of_the_page() -> None:
    svg = draw_smiles("CCO")
    ET.fromstring(svg)  # noqa: S314 - text made here
    assert "currentColor" in svg
    assert "#000000" not in svg
    assert draw_smiles("C1") == draw_smiles("") == ""


def test_a_drawing_is_named_by_its_molecule() -> None:
    svg = ET.fromstring(draw_smiles("C->[Fe]"))  # noqa: S314 - text made here
    assert svg.get("role") == "img"
    assert svg[0].tag.endswith("title")
    assert svg[0].text == "C->[Fe]"


def test_a_machine_without_x11_libraries_gets_a_report_without_drawings(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "rdkit.Chem.Draw.rdMolDraw2D", None)
    drawing._drawing_module.cache_clear()
    try:
        assert draw_smiles("CCO") == draw_smiles("CCN") == ""
    finally:
        drawing._drawing_module.cache_clear()
    assert len(caplog.records) == 1
    assert "shows molecules as SMILES only" in caplog.text
    assert "libxrender1" in caplog.text
