"""Figures of pages: named, each with a legend, the same for the same data, and in colours that the page decides."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import pytest
from matplotlib.axes import Axes

from belka.pages import figures
from belka.pages.figures import LINE, PALETTE, SOFT, TEXT, draw, pictures

STYLE: Final = Path(figures.__file__).with_name("style.css").read_text(encoding="utf-8")


def paint(panels: Sequence[Axes]) -> None:
    for panel in panels:
        for colour in (TEXT, LINE, SOFT, *PALETTE):
            panel.plot([0, 1], [0, 1], "o-", color=colour)
        panel.plot([0], [1], label="a <label>")


def test_every_panel_is_a_drawing_with_a_name_and_a_legend() -> None:
    found = [ET.fromstring(svg) for svg in pictures("test", "Gain & loss", ["BRD4", ""], paint)]  # noqa: S314
    assert [(svg.get("role"), svg[0].text) for svg in found] == [("img", "Gain & loss: BRD4"), ("img", "Gain & loss")]
    for svg in found:
        assert svg[0].tag == "{http://www.w3.org/2000/svg}title"
        assert "a <label>" in [text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")]


def test_a_panel_without_labels_has_no_legend() -> None:
    (svg,) = pictures("test", "T", ["BRD4"], lambda panels: panels[0].set(xlabel="x"))
    assert "legend" not in svg


def test_no_id_is_there_twice_on_a_page() -> None:
    page = draw("one", "One", ["A", "B"], paint) + draw("two", "Two", ["A"], paint)
    ids = re.findall(r' id="([^"]+)"', page)
    assert ids
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)


def test_the_same_data_give_the_same_text() -> None:
    assert draw("one", "One", ["A"], paint) == draw("one", "One", ["A"], paint)


def test_colours_are_those_of_the_page_light_and_dark() -> None:
    svg = draw("one", "One", ["A"], paint)
    for stand_in in (TEXT, LINE, SOFT, *PALETTE):
        assert stand_in not in svg
    used = dict(re.findall(r"var\(--(\w+), (#\w{6})\)", svg))
    assert len(used) == len(PALETTE) + 2
    light, dark = (dict(re.findall(r"--(\w+): (#\w{6})", part)) for part in STYLE.split("@media screen", 1))
    assert used.keys() <= light.keys()
    assert used.keys() <= dark.keys()
    assert {name: light[name] for name in used if name not in ("line", "soft")}.items() <= used.items()


@pytest.mark.parametrize("scheme", [0, 1])
def test_series_stand_out_from_the_card_by_three_to_one(scheme: int) -> None:
    """WCAG 2.2, 1.4.11."""
    values = dict(re.findall(r"--(\w+): (#\w{6})", STYLE.split("@media screen", 1)[scheme]))
    card = luminance(values["card"])
    for name in ("blue", "orange", "green", "purple", "red", "teal", "good", "bad"):
        dark, bright = sorted((card, luminance(values[name])))
        assert (bright + 0.05) / (dark + 0.05) >= 3, name


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
