"""The pages of a run, looked at in a real Chromium (`make test-browser` installs what drives it).

No error on the console, no text below 9 pixels, contrast at least WCAG's AA, no page wider than the screen; on a
desktop and on a phone, light and dark.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pipeline.tuning.outcome import Outcome, Paired, TrialRow
from pipeline.tuning.page import write_page
from tests.e2e.conftest import REPOSITORY

if TYPE_CHECKING:
    from tests.e2e.conftest import Demo

PYTHON: Final = REPOSITORY / ".envs" / "browser" / "bin" / "python"
LOOK: Final = Path(__file__).with_name("look_at_page.py")
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER: Final = next(filter(None, map(shutil.which, BROWSERS)), None)
# Said before the fixtures are made: a whole run is one of them.
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not PYTHON.is_file(), reason="Playwright is absent; `make test-browser` installs it"),
    pytest.mark.skipif(BROWSER is None, reason=f"no Chromium on this machine: none of {', '.join(BROWSERS)}"),
]
EXPLAINED: Final = "What the highest predictions come from"
WRONG: Final = """<!doctype html><html lang="en"><head><link rel="icon" href="data:,"><title>wrong</title></head><body>
<p style="font-size: 8px">too small to read</p>
<p style="color: #999; background: #fff">too faint to read</p>
<svg role="img" viewBox="0 0 1000 100" width="100"><title>drawn</title>
<text y="20" font-size="20">drawn small</text></svg>
<svg viewBox="0 0 9 9" width="9"></svg>
<svg role="img" width="9" style="background: #fff"><title>mark</title>
<path d="M0 0L9 9" style="stroke: var(--x, #ddd)"/></svg>
<p id="twice">a</p><p id="twice">b</p><div style="width: 2000px">wide</div>
<script>console.error("said on the console"); throw new Error("thrown");</script></body></html>"""


def looked_at(folder: Path, *pages: Path) -> list[dict[str, Any]]:
    """What is wrong with each page, at each size and in each scheme."""
    command = [str(PYTHON), str(LOOK), str(BROWSER), str(folder), *map(str, pages)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    looks: list[dict[str, Any]] = json.loads(done.stdout)
    assert len(looks) == 4 * len(pages)
    return looks


def test_pages_of_a_run_can_be_read(demo: "Demo", tmp_path: Path) -> None:
    pages = [demo.output / "report.html", demo.output / "enrichment.html", tmp_path / "comparison.html"]
    copy = tmp_path / "a run whose folder has a long name, as they have on shared disks"
    copy.mkdir()
    for name in ("metadata.db", "config.yaml"):
        shutil.copyfile(demo.output / name, copy / name)
    compared = demo.run("report", demo.output, copy, "--out", pages[-1])
    assert compared.returncode == 0, compared.stderr
    assert EXPLAINED in pages[0].read_text(encoding="utf-8")
    for look in looked_at(tmp_path, *pages):
        assert look["texts"] > 100, "nothing was looked at"
        assert look["wrong"] == [], f"{look['page']}, {look['width']} px, {look['scheme']}"
    pictures = sorted(tmp_path.glob("*.png"))
    assert len(pictures) == 4 * len(pages)


def test_the_page_of_a_tuning_can_be_read(tmp_path: Path) -> None:
    write_page(_tuning(), tmp_path / "tune.html")
    for look in looked_at(tmp_path, tmp_path / "tune.html"):
        assert look["texts"] > 100, "nothing was looked at"
        assert look["wrong"] == [], f"{look['page']}, {look['width']} px, {look['scheme']}"


def _tuning() -> Outcome:
    """Forty trials of keys with long names and long values, on many draws."""
    strengths = ([0.003, 0.01, 0.03], [0.01, 0.03, 0.1])
    keys = ("ensemble.linear_strengths", "ensemble.kernel_penalty", "training.clf.learning_rate", "model.num_layers")
    states = ["complete" if i % 7 else ("pruned", "fail")[i % 2] for i in range(40)]
    rows = tuple(
        TrialRow(
            number=i,
            state=state,
            score=0.3 + i * 37 % 11 / 200 if state == "complete" else None,
            seconds=61.5 * i,
            values=dict(zip(keys, (strengths[i % 2], 0.031 * i, 1e-3 / (i + 1), i % 5), strict=True)),
            reason="There is not enough memory. its process was ended by signal 9" if state == "fail" else "",
        )
        for i, state in enumerate(states)
    )
    draws = tuple(range(11, 31))
    return Outcome(
        metric="mean-AP/non_shared",
        choose=(1, 2, 3),
        rows=rows,
        importance={key: 0.4 / (i + 1) for i, key in enumerate(keys)},
        chosen=rows[1],
        untuned=rows[0].values,
        reported=Paired(draws, tuple(0.3 + draw / 300 for draw in draws), tuple(0.31 + draw / 400 for draw in draws)),
        cells={f"{target}/{group}": (0.41, 0.39) for target in ("BRD4", "HSA", "sEH") for group in ("shared", "all")},
        transformer=True,
    )


def test_what_is_wrong_with_a_page_is_found(tmp_path: Path) -> None:
    page = tmp_path / "wrong.html"
    page.write_text(WRONG, encoding="utf-8")
    for look in looked_at(tmp_path, page):
        said = "\n".join(look["wrong"])
        for text in (
            'small text: 8.0 px of P "too small to read"',
            'weak contrast: 2.85 to 1 of P "too faint to read"',
            'small text: 2.0 px of text "drawn small"',
            "unnamed drawing",
            "weak mark",
            "ids that are there twice: twice",
            "wider than the screen",
            "console: said on the console",
            "page: thrown",
        ):
            assert text in said, said
