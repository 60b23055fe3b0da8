"""The page of a comparison: whole, self-contained, the same for the same runs."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

from pipeline.comparison.compare import compare_runs, score_rows
from pipeline.comparison.curves_figure import training_curves
from pipeline.comparison.page import write_comparison

Maker = Callable[..., Any]
NEW: Final = set(range(6, 12))


def test_the_page_has_scores_gains_settings_and_curves(
    run_maker: Maker, molecules_maker: Maker, tmp_path: Path
) -> None:
    first = run_maker(tmp_path / "a", molecules_maker(60, 2, 0.2), NEW, name="first <b>")
    second = run_maker(tmp_path / "b", molecules_maker(60, 3), NEW, settings=("training.epochs=3",))
    comparison = compare_runs([first, second])
    file = tmp_path / "new" / "page.html"
    write_comparison(comparison, file)
    page = file.read_text(encoding="utf-8")
    for row in score_rows(comparison):
        (gain,) = row.gains
        assert gain is not None
        assert gain.interval is not None
        for text in (f"{gain.value:+.4f}", f"{gain.interval.low:.4f} to {gain.interval.high:.4f}"):
            assert text in page
        assert all(f"{value:.4f}" in page for value, _ in row.values)
    for text in ("training.epochs", "gain over the baseline blocks", "+0.1250", "b over first", "2026-11-27 17:00 UTC"):
        assert text in page
    assert "first <b>" not in page
    assert "first &lt;b&gt;" in page
    for picture in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        assert ET.fromstring(picture).get("role") == "img"  # noqa: S314 - our own page
    assert not re.search(r"(?:src|href)=[\"']?https?:", page)
    assert "<script" not in page
    write_comparison(comparison, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == page
    assert [path.name for path in file.parent.iterdir()] == ["page.html"]


def test_curves_have_a_panel_a_stage_and_figure_and_one_colour_a_run() -> None:
    both = {"clf": [{"epoch": 1, "loss": 0.5, "val_loss": 0.4, "val_average_precision": 0.3}]}
    page = training_curves({"a": {"mlm": [{"epoch": 1, "loss": 2.0}]}, "b": both})
    assert re.findall(r"<title>Training: (\w+)</title>", page) == ["mlm", "clf", "clf", "clf"]
    panels = page.split("<svg")[1:]
    assert [("var(--green" in panel, "var(--purple" in panel) for panel in panels] == [
        (True, False),
        *[(False, True)] * 3,
    ]
    assert training_curves({"a": {}, "b": {}}).count("<svg") == 0
