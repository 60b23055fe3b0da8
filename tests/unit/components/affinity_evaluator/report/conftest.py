"""An evaluation on a bench: predictions, molecules, Examples and what the Trainer leaves, and the report of it."""

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from belka import contract as dc
from belka.models.calibration import Calibration
from belka.provenance import Input, Record, read_inputs, write_provenance
from components.affinity_evaluator.baselines.compare import TrainingSource, compare_with_baselines
from components.affinity_evaluator.block_ids import MoleculeBlocks
from components.affinity_evaluator.bootstrap import BootstrapSettings
from components.affinity_evaluator.evaluate import Evaluation
from components.affinity_evaluator.gate import BaselineComparisons, ChampionComparison, Verdict
from components.affinity_evaluator.ladder import Rung, measure_ladders
from components.affinity_evaluator.measurement import Measurement, Measuring, measure_predictions
from components.affinity_evaluator.predictions import PredictionsWriter, read_predictions
from components.affinity_evaluator.reliability import Reliability, measure_reliability
from components.affinity_evaluator.report.explained import ExplainedBest
from components.affinity_evaluator.report.report import ReportSources, write_report
from components.affinity_evaluator.settings import EvaluationSettings, GateSettings, ReleaseSettings
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


RAW = {"train.csv": "aa11", "test.csv": "bb22"}
SETTINGS = {"mode": "clf", "training": {"epochs": 17, "note": "</pre><script>"}}


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
    targets, n, smiles, groups, labels, probabilities = TARGETS, N, SMILES, GROUPS, LABELS, PROBABILITIES
    trained: ClassVar[dict[str, Any]] = {"custom_config": SETTINGS, "train_args": {"splits": ["train"]}}

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
        trained = Record(step="trainer-clf", output="model", settings=self.trained)
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
        release: ReleaseSettings | None = None,
        explained: ExplainedBest | None = None,
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
            explained or ExplainedBest(),
        )
        write_report(
            evaluation,
            self.folder / "out",
            sources,
            TARGETS,
            release or ReleaseSettings(),
        )
        return tuple((self.folder / "out" / name).read_text() for name in ("report.html", "model_card.md"))  # type: ignore[return-value]


@pytest.fixture(scope="session")
def new_bench() -> type[Bench]:
    return Bench


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def written(bench: Bench) -> tuple[str, str]:
    return bench.report(Verdict(blessed=False, reasons=("a <reason>.",)), baselines=True)
