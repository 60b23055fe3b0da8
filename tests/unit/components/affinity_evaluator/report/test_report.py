"""report.html: whole, self-contained, and saying what was measured."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from sklearn.metrics import average_precision_score

from belka import contract as dc
from belka.code_version import code_version
from belka.models.calibration import Calibration
from belka.provenance import Record, read_inputs, write_provenance
from components.affinity_evaluator.bootstrap import BootstrapSettings, Interval
from components.affinity_evaluator.gate import MEAN, ChampionComparison, Gain, Verdict
from components.affinity_evaluator.measurement import measure_predictions


class Collector(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]


def test_page_and_card_show_calibration_and_ladders_where_there_are_any(
    new_bench: Any, tmp_path: Path, written: tuple[str, str]
) -> None:
    calibration = Calibration((1.25, 0.5), (-0.125, 0.25), (60, 55))
    page, card = new_bench(tmp_path).report(Verdict(blessed=True, reasons=()), calibration=calibration)
    for text in ("Before and after calibration", "1.250, -0.125", "How fast it decays", "by the number of new blocks"):
        assert text in page
        assert text not in written[0]
    assert "| protein | share of binders | mean probability before | after |" in card
    assert "share of binders |" not in written[1]
    found = new_bench(tmp_path / "again").calibrated(calibration, BootstrapSettings(samples=5))[0][0]
    assert found.after is not None
    assert f"| {found.after.log_loss:.4f} |" in card


def test_reasons_are_a_list_and_single_molecules_are_told(bench: Any, written: tuple[str, str]) -> None:
    page = written[0]
    assert '<ul class="bad">\n<li>a &lt;reason&gt;.</li>\n</ul>' in page
    for target in range(2):
        for group in dc.SplitGroup:
            n = int(((group == bench.groups) & (bench.labels[:, target] != dc.LABEL_UNKNOWN)).sum())
            assert n <= 100  # 1% is one molecule
    assert page.count("is one molecule, which alone decides the enrichment.") == 4
    assert "<li>1% of BRD4 / non-shared is one molecule" in page


def test_heading_has_the_date_and_the_version(new_bench: Any, tmp_path: Path) -> None:
    bench = new_bench(tmp_path)
    trained = Record(step="trainer-clf", output="model", settings=bench.trained, finished="2026-11-27T19:05:31+02:00")
    write_provenance(tmp_path, trained, read_inputs({"examples": [tmp_path / "molecules"]}))
    page, _ = bench.report(Verdict(blessed=True, reasons=()))
    heading = page[page.index("<h1>") : page.index("<section>")]
    assert f"Model trained 2026-11-27 17:05 UTC · belka {code_version()}" in heading


def test_page_needs_nothing_beside_it(written: tuple[str, str]) -> None:
    page = Collector()
    page.feed(written[0])
    assert all(link.startswith(("#", "data:")) for link in page.links)
    assert "script" not in page.tags
    assert page.tags.count("svg") >= 4 + 2 * 6
    assert len(written[0]) < 5_000_000


def test_page_says_what_was_measured(bench: Any, written: tuple[str, str]) -> None:
    page, card = written
    known = bench.labels[:, 0] != dc.LABEL_UNKNOWN
    inside = known & (bench.groups == dc.SplitGroup.SHARED)
    value = f"{average_precision_score(bench.labels[inside, 0], bench.probabilities[inside, 0]):.3f}"
    for text in (page, card):
        assert value in text
    assert "not passed" in page
    assert "a &lt;reason&gt;." in page
    assert "&lt;b&gt;no molecule&lt;/b&gt;" in page
    assert "<b>no molecule" not in page
    assert "Training" in page


def test_page_has_the_configuration_and_the_lineage(written: tuple[str, str]) -> None:
    page = written[0]
    assert page.index("<details><summary>trainer-clf</summary>") < page.index('"epochs": 17')
    assert "</pre><script>" not in page
    for text in ("train.csv aa11", "test.csv bb22", "/raw", "0.1.0+sources.", "best baseline"):
        assert text in page


def test_curves_have_bands_and_best_possible_enrichment(written: tuple[str, str]) -> None:
    page = written[0]
    start = page.index("<h2>Precision and recall</h2>")
    figure = page[start : page.index("</section>", start)]
    assert figure.count("opacity: 0.2") == 4  # two targets in two split groups
    assert "best possible" in page


def test_comparison_with_the_champion_shows_the_gain_and_how_sure_it_is(new_bench: Any, tmp_path: Path) -> None:
    bench = new_bench(tmp_path)
    measured = measure_predictions(bench.predictions, targets=bench.targets)
    slices = measured.slices
    gains = (Gain(MEAN, 0.0213, Interval(-0.0101, 0.0502)), Gain("HSA/non_shared", -0.0321, None))
    champion = ChampionComparison(
        "17",
        "abc",
        molecules=1234,
        mean_average_precision=0.5,
        slices=slices,
        judged_mean=0.5213,
        judged_slices=slices,
        gains=gains,
    )
    page, card = bench.report(Verdict(blessed=True, reasons=()), champion)
    start = page.index("Against the model in production")
    section = page[start : page.index("</section>", start)]
    for text in ("version 17", "0.5000", "+0.0213", "-0.0101 to 0.0502", "HSA / non-shared", "-0.0321"):
        assert text in section
    assert (
        "1,234 validation molecules that neither model trained on, the model in production before, version 17" in card
    )
    assert "version 17, has 0.5000 and this one 0.5213: a gain of +0.0213 (-0.0101 to 0.0502)" in card
    assert "1,234 molecules, which neither trained on" in page
    assert "Against the model in production" not in bench.report(Verdict(blessed=True, reasons=()))[0]


def test_same_evaluation_same_page(bench: Any, written: tuple[str, str]) -> None:
    assert bench.report(Verdict(blessed=False, reasons=("a <reason>.",)), baselines=True) == written


def test_nothing_held_out_still_gives_a_page(new_bench: Any, tmp_path: Path) -> None:
    page, card = new_bench(tmp_path, n=0).report(Verdict(blessed=True, reasons=()))
    assert "not measured: no molecule with a known label" in page
    assert "passed" in page
    assert "# Model card" in card


def test_gain_over_baselines_comes_first_in_page_and_card(bench: Any, written: tuple[str, str]) -> None:
    page, card = written
    assert page.index("<h2>") == page.index("<h2>What it gains over cheap models</h2>")
    section = page[page.index("<h2>What it gains") : page.index("<h2>How well it ranks binders")]
    bootstrap = BootstrapSettings(samples=30)
    measured = measure_predictions(bench.predictions, targets=bench.targets, bootstrap=bootstrap)
    found = bench.baselines(measured, bootstrap)
    assert found is not None
    assert "<svg" in section
    for text in (section, card):
        for baseline in found.models.values():
            assert baseline.description in text
            for gain in baseline.gains:
                assert f"{gain.value:+.4f}" in text
                assert gain.interval is not None
                assert f"{gain.interval.low:.4f} to {gain.interval.high:.4f}" in text
        assert "the same 60 labelled molecules" in text
    rows = [line for line in card.splitlines() if "ECFP bits" in line or "building blocks by" in line]
    header = next(line for line in card.splitlines() if line.startswith("| baseline |"))
    assert {line.count("|") for line in [*rows, header]} == {2 + 3 + 3}
    assert len(rows) == 3
    assert "What it gains over cheap models" not in bench.report(Verdict(blessed=True, reasons=()))[0]
