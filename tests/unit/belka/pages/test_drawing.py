"""Molecules drawn for pages."""

import re
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


def colours(svg: str) -> set[str]:
    """Fills of the drawing but its letters'."""
    return {found.upper() for found in re.findall(r"fill:(#[0-9A-Fa-f]{6})", svg)}


def test_weights_colour_atoms_by_their_sign_and_size() -> None:
    plain, raised, lowered = (draw_smiles("CCO[Dy]", weights) for weights in ((), (0, 0, 2), (0, -2, 0)))
    ET.fromstring(raised)  # noqa: S314 - text made here
    blue, orange = (found - colours(plain) for found in map(colours, (raised, lowered)))
    assert len(blue) == len(orange) == 1
    assert blue != orange
    assert colours(draw_smiles("CCO[Dy]", (0, -2, 2))) - colours(plain) == blue | orange
    # Of atoms that bring next to nothing, and of as many weights as atoms do not fit, there is no colour.
    assert draw_smiles("CCO[Dy]", (0.01, 0.0, 2)) == raised
    assert draw_smiles("CCO[Dy]", (0, 0)) == draw_smiles("CCO[Dy]", (0, 0, 0)) == plain
    assert draw_smiles("CCO[Dy]", (0, 1, 2)) not in (raised, draw_smiles("CCO[Dy]", (0, 2, 2)))


def test_weights_that_are_next_to_nothing_have_no_strong_colour() -> None:
    plain = colours(draw_smiles("CCO[Dy]"))
    faint, strong = (draw_smiles("CCO[Dy]", (0, 0, largest)) for largest in (0.02, 0.1))
    assert colours(faint) == colours(strong) != plain
    assert faint != strong == draw_smiles("CCO[Dy]", (0, 0, 2))
    assert draw_smiles("CCO[Dy]", (0.001, -0.001, 0.004)) == draw_smiles("CCO[Dy]")


def test_letters_of_a_large_molecule_can_be_read() -> None:
    svg = draw_smiles("O=C(N[Dy])[C@H](Cc1ccc(F)c(F)c1)Nc1nc(NCc2ccc(F)cc2)nc(NCc2cccc(C(F)(F)F)c2)n1")
    letters = [path.get("d", "") for path in ET.fromstring(svg).iter() if path.get("fill") == "currentColor"]  # noqa: S314 - text made here
    heights = [[float(y) for y in re.findall(r"[\d.]+ ([\d.]+)", path)] for path in letters]
    assert len(letters) > 15
    assert min(max(each) - min(each) for each in heights) > 6, "capitals of 9 pixels"


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
