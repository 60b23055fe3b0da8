"""report.html and model_card.md: whole, self-contained, and saying what was measured."""

import json
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from sklearn.metrics import average_precision_score

from belka import contract as dc
from belka.models.calibration import Calibration
from belka.pages import drawing
from belka.pages.drawing import draw_smiles
from belka.provenance import Input, Record, read_inputs, write_provenance
from components.affinity_evaluator.baselines.compare import TrainingSource, compare_with_baselines
from components.affinity_evaluator.block_ids import MoleculeBlocks
from components.affinity_evaluator.bootstrap import BootstrapSettings, Interval
from components.affinity_evaluator.evaluate import Evaluation
from components.affinity_evaluator.gate import MEAN, BaselineComparisons, ChampionComparison, Gain, Verdict
from components.affinity_evaluator.ladder import Rung, measure_ladders
from components.affinity_evaluator.measurement import Measurement, Measuring, measure_predictions
from components.affinity_evaluator.predictions import PredictionsWriter, read_predictions
from components.affinity_evaluator.reliability import Reliability, measure_reliability
from components.affinity_evaluator.report.report import ReportSources, write_report
from components.affinity_evaluator.report.structures import driving_blocks, wrong_molecules
from components.affinity_evaluator.settings import EvaluationSettings, GateSettings
from components.affinity_evaluator.units import NewBlocks, ResampledUnit

TARGETS = ("BRD4", "HSA")
N = 60
RNG = np.random.default_rng(2)
LABELS = RNG.integers(0, 2, (N, 2)).astype(np.int8)
LABELS[:5, 1] = dc.LABEL_UNKNOWN
GROUPS = RNG.integers(0, 2, N).astype(np.int8)
PROBABILITIES = np.clip(LABELS % 2 * 0.4 + RNG.random((N, 2)) * 0.55, 0, 1).astype(np.float32)
BITS = RNG.integers(0, 256, (N, 8)).astype(np.uint8)
SMILES = ["C" * (i % 9 + 1) + "N[Dy]" for i in range(N)]


def write_examples(path: Path, rows: range) -> None:
    path.parent.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
        for i in rows:
            values = {
                dc.FEATURE_MOLECULE_ID: [100 + i],
                dc.FEATURE_BINDS: LABELS[i].tolist(),
                dc.FEATURE_SPLIT_GROUP: [int(GROUPS[i])],
            }
            features = {k: tf.train.Feature(int64_list=tf.train.Int64List(value=v)) for k, v in values.items()}
            features[dc.FEATURE_ECFP] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[BITS[i].tobytes()]))
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())


class Bench:
    def __init__(self, folder: Path, n: int = N) -> None:
        self.folder = folder
        self.predictions = folder / "out" / "predictions.parquet"
        with PredictionsWriter(self.predictions, 2) as writer:
            writer.write(np.arange(100, 100 + n), GROUPS[:n], LABELS[:n].ravel(), PROBABILITIES[:n])
        for split in ("train", "validation"):
            write_examples(folder / "examples" / f"Split-{split}" / "data.gz", range(n))
        blocks = {
            name: pa.array([(i * (j + 1)) % 4 for i in range(n)], pa.int32()) for j, name in enumerate(dc.BLOCK_IDS)
        }
        ids = pa.array(range(100, 100 + n), pa.int64())
        for split in ("train", "validation"):
            (folder / "molecules" / f"Split-{split}").mkdir(parents=True)
            pq.write_table(
                pa.table({dc.MOLECULE_ID: ids, dc.SMILES: SMILES[:n], **blocks}),
                folder / "molecules" / f"Split-{split}" / "molecules-00000.parquet",
            )
        pq.write_table(
            pa.table({"smiles": ["CN", "CCN", "CCCN", "<b>no molecule</b>"]}), folder / "molecules" / "blocks.parquet"
        )
        (folder / "run").mkdir()
        merged = Record(step="parquet-merge", raw_files=RAW, inputs=(Input(name="raw_dir", uri="/raw", digest=""),))
        write_provenance(folder / "molecules", merged)
        (folder / "Format-Serving").mkdir()
        trained = Record(step="trainer-clf", output="model", settings=TRAINED)
        write_provenance(folder, trained, read_inputs({"examples": [folder / "molecules"]}))
        history = [{"epoch": 1, "loss": 0.5, "val_loss": 0.4, "val_average_precision": 0.3}]
        (folder / "run" / "history.json").write_text(json.dumps(history))

    def baselines(self, measured: Measurement, bootstrap: BootstrapSettings) -> BaselineComparisons | None:
        train, validation = (
            [self.folder / "examples" / f"Split-{split}" / "data.gz"] for split in ("train", "validation")
        )
        return compare_with_baselines(
            TrainingSource(train, self.folder / "molecules"),
            self.folder / "Format-Serving",
            measured,
            examples_files=validation,
            candidate_file=self.predictions,
            settings=EvaluationSettings(),
            measuring=Measuring(TARGETS, bootstrap, None),
        )

    def calibrated(
        self, calibration: Calibration | None, bootstrap: BootstrapSettings
    ) -> tuple[tuple[Reliability, ...], tuple[Rung, ...]]:
        predictions = read_predictions(self.predictions, len(TARGETS))
        new = NewBlocks(MoleculeBlocks.read(self.folder / "molecules", dc.Subset.VALIDATION), np.arange(4) == 1)
        return (
            measure_reliability(predictions, TARGETS, calibration, new.of(predictions.ids), 1),
            measure_ladders(predictions, TARGETS, new, np.array([1.0, 0.5, 1.0, 1.0]), bootstrap)
            if calibration
            else (),
        )

    def report(
        self,
        verdict: Verdict,
        champion: ChampionComparison | None = None,
        *,
        baselines: bool = False,
        unit: ResampledUnit | None = None,
        calibration: Calibration | None = None,
    ) -> tuple[str, str]:
        bootstrap = BootstrapSettings(samples=30)
        measured = measure_predictions(self.predictions, targets=TARGETS, bootstrap=bootstrap)
        evaluation = Evaluation(
            "abc123",
            measured.molecules,
            measured.mean_average_precision,
            measured.mean_interval,
            measured.slices,
            champion,
            GateSettings(),
            bootstrap,
            verdict,
            self.baselines(measured, bootstrap) if baselines else None,
            {"non_shared": unit} if unit else measured.units,
            *self.calibrated(calibration, bootstrap),
        )
        sources = ReportSources(
            self.folder,
            self.folder / "molecules",
            {"clf": self.folder / "run"},
        )
        write_report(evaluation, self.folder / "out", sources, TARGETS)
        return tuple((self.folder / "out" / name).read_text() for name in ("report.html", "model_card.md"))  # type: ignore[return-value]


RAW = {"train.csv": "aa11", "test.csv": "bb22"}
SETTINGS = {"mode": "clf", "training": {"epochs": 17, "note": "</pre><script>"}}
TRAINED = {"custom_config": SETTINGS, "train_args": {"splits": ["train"]}}


class Collector(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def written(bench: Bench) -> tuple[str, str]:
    return bench.report(Verdict(blessed=False, reasons=("a <reason>.",)), baselines=True)


def test_page_and_card_show_calibration_and_ladders_where_there_are_any(
    tmp_path: Path, written: tuple[str, str]
) -> None:
    calibration = Calibration((1.25, 0.5), (-0.125, 0.25), (60, 55))
    page, card = Bench(tmp_path).report(Verdict(blessed=True, reasons=()), calibration=calibration)
    for text in ("Before and after calibration", "1.250, -0.125", "How fast it decays", "by the number of new blocks"):
        assert text in page
        assert text not in written[0]
    assert "| protein | share of binders | mean probability before | after |" in card
    assert "share of binders |" not in written[1]
    found = Bench(tmp_path / "again").calibrated(calibration, BootstrapSettings(samples=5))[0][0]
    assert found.after is not None
    assert f"| {found.after.log_loss:.4f} |" in card


def test_page_needs_nothing_beside_it(written: tuple[str, str]) -> None:
    page = Collector()
    page.feed(written[0])
    assert all(link.startswith(("#", "data:")) for link in page.links)
    assert "script" not in page.tags
    assert page.tags.count("svg") >= 4 + 2 * 6
    assert len(written[0]) < 5_000_000


def test_page_says_what_was_measured(written: tuple[str, str]) -> None:
    page, card = written
    known = LABELS[:, 0] != dc.LABEL_UNKNOWN
    inside = known & (GROUPS == dc.SplitGroup.SHARED)
    value = f"{average_precision_score(LABELS[inside, 0], PROBABILITIES[inside, 0]):.3f}"
    for text in (page, card):
        assert value in text
    assert "not passed" in page
    assert "a &lt;reason&gt;." in page
    assert "&lt;b&gt;no molecule&lt;/b&gt;" in page
    assert "<b>no molecule" not in page
    assert "Training" in page


def test_card_and_page_say_which_molecules_trained(written: tuple[str, str]) -> None:
    assert "- The stage clf trained on the molecules of train.\n" in written[1]
    for text in written:
        assert "No stage trained on molecules of validation." in text
        assert "transductive" not in text


def test_card_and_page_say_what_else_trained(tmp_path: Path) -> None:
    """As versions did that let mlm train on everything: such a model may be evaluated again."""
    bench = Bench(tmp_path)
    settings = {"custom_config": {"mode": "mlm"}, "train_args": {"splits": ["train", "validation", "test"]}}
    write_provenance(bench.folder, Record(step="trainer-mlm", output="model", settings=settings))
    page, card = bench.report(Verdict(blessed=True, reasons=()))
    for text in (page, card):
        assert "Molecules of validation, without their labels, were in the training data of mlm." in text
        assert "transductive" in text


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


def test_comparison_with_the_champion_shows_the_gain_and_how_sure_it_is(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    measured = measure_predictions(bench.predictions, targets=TARGETS)
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


def test_card_and_page_say_what_intervals_resample(bench: Bench, written: tuple[str, str]) -> None:
    for text in written:
        assert "Intervals resample molecules: with few new blocks" in text
    for text in bench.report(Verdict(blessed=True, reasons=()), unit=ResampledUnit("blocks", 1054)):
        assert "Intervals of molecules with new blocks resample those 1,054 building blocks" in text
        assert "Intervals resample molecules" not in text


def test_card_has_what_a_reader_of_the_model_needs(written: tuple[str, str]) -> None:
    card = written[1]
    for text in (
        "Licence of the data",
        "their content, SHA-256: train.csv aa11",
        "## Limits",
        "scikit-learn ",
        "enrichment 0.1%",
    ):
        assert text in card


@pytest.mark.parametrize(
    ("fingerprint", "named", "needs"),
    [
        (None, "ECFP of 2048 bits, radius 2, with chirality", " and RDKit, which computes"),
        (
            {"size": 64, "radius": 3, "chirality": False},
            "ECFP of 64 bits, radius 3, without chirality",
            " and RDKit, which computes",
        ),
        (
            {"size": 168, "radius": 2, "chirality": True, "kind": "maccs"},
            "MACCS of 168 bits",
            ", RDKit and scikit-fingerprints, which compute",
        ),
    ],
)
def test_card_names_the_fingerprint(fingerprint: dict[str, Any] | None, named: str, needs: str, tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    (tmp_path / "Format-Serving" / "belka.json").write_text(
        json.dumps({"model": {"ecfp_branch": True}, "ecfp": fingerprint})
    )
    _, card = bench.report(Verdict(blessed=True, reasons=()))
    assert f"their packed fingerprints: {named})" in card
    assert f"needs this folder{needs} the fingerprints." in card


def test_card_names_members_and_their_weights(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    blend = {
        "molecules": 200_000,
        "molecules_found": 3_000_000,
        "weights": {"BRD4": {"linear": 0.25, "net": 0.5}},
        "transformer_share": 0.35,
    }
    (tmp_path / "Format-Serving" / "belka.json").write_text(
        json.dumps({"model": {"ecfp_branch": False}, "members": ["transformer", "linear", "net"], "blend": blend})
    )
    _, card = bench.report(Verdict(blessed=True, reasons=()))
    assert "a blend of transformer, linear, net" in card
    assert "35% is the transformer's" in card
    assert "200,000 of 3,000,000 labelled molecules" in card
    assert "| protein | linear | net |\n|---|---|---|\n| BRD4 | 0.250 | 0.500 |\n" in card
    assert "`features`" in card


def test_same_evaluation_same_page(bench: Bench, written: tuple[str, str]) -> None:
    assert bench.report(Verdict(blessed=False, reasons=("a <reason>.",)), baselines=True) == written


def test_nothing_held_out_still_gives_a_page(tmp_path: Path) -> None:
    page, card = Bench(tmp_path, n=0).report(Verdict(blessed=True, reasons=()))
    assert "not measured: no molecule with a known label" in page
    assert "passed" in page
    assert "# Model card" in card


def test_gain_over_baselines_comes_first_in_page_and_card(bench: Bench, written: tuple[str, str]) -> None:
    page, card = written
    assert page.index("<h2>") == page.index("<h2>What it gains over cheap models</h2>")
    section = page[page.index("<h2>What it gains") : page.index("<h2>How well it ranks binders")]
    bootstrap = BootstrapSettings(samples=30)
    measured = measure_predictions(bench.predictions, targets=TARGETS, bootstrap=bootstrap)
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


def test_wrong_molecules_are_the_most_confident_ones(bench: Bench) -> None:
    found = [
        m
        for m in wrong_molecules(read_predictions(bench.predictions, 2), bench.folder / "molecules", TARGETS)
        if m.target == "HSA"
    ]
    negatives = np.flatnonzero(LABELS[:, 1] == 0)
    worst = negatives[np.argsort(-PROBABILITIES[negatives, 1])][:3]
    assert [m.label for m in found] == [0, 0, 0, 1, 1, 1]
    assert [m.probability for m in found[:3]] == pytest.approx(PROBABILITIES[worst, 1].tolist())
    assert [m.smiles for m in found[:3]] == [SMILES[i] for i in worst]


def test_driving_blocks_by_hand(bench: Bench) -> None:
    found = driving_blocks(read_predictions(bench.predictions, 2), bench.folder / "molecules", TARGETS)
    names = ("CN", "CCN", "CCCN", "<b>no molecule</b>")
    # At positions 1, 2 and 3 molecule i has the blocks i, 2i and 3i modulo 4; block 0 may stand at several.
    members = {b: [i for i in range(N) if b in {i % 4, 2 * i % 4, 3 * i % 4}] for b in range(4)}
    places = {b: tuple(j + 1 for j in range(3) if any((j + 1) * i % 4 == b for i in range(N))) for b in range(4)}
    means = {b: float(PROBABILITIES[rows, 0].mean()) for b, rows in members.items()}
    expected = sorted(means, key=lambda b: -means[b])[:3]
    shown = [block for block in found if block.target == "BRD4"]
    assert [block.smiles for block in shown] == [names[b] for b in expected]
    for b, block in zip(expected, shown, strict=True):
        assert block.predicted == pytest.approx(means[b], abs=1e-6)
        assert (block.molecules, block.positions) == (len(members[b]), places[b])
        assert block.observed == pytest.approx(LABELS[members[b], 0].mean(), abs=1e-12)


def test_drawings_take_the_colour_of_the_page() -> None:
    svg = draw_smiles("CCO")
    ET.fromstring(svg)  # noqa: S314 - text made here
    assert "currentColor" in svg
    assert "#000000" not in svg
    assert draw_smiles("C1") == draw_smiles("") == ""


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
