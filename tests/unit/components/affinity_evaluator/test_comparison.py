"""The model in production on the candidate's data: the six cases with real SavedModels."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator
from skfp.fingerprints import AvalonFingerprint
from sklearn.metrics import average_precision_score

from belka import contract as dc
from belka.errors import InputError
from belka.models.champion import Champion, model_digest, write_champion
from belka.models.description import ModelDescription, read_description
from belka.models.unseen import Unseen, find_unseen, molecule_hashes, write_unseen
from components.affinity_evaluator.bootstrap import BootstrapSettings
from components.affinity_evaluator.comparison import ChampionSource, _reads_examples_of
from components.affinity_evaluator.evaluate import Evaluation, evaluate_model
from components.affinity_evaluator.gate import MEAN
from components.affinity_evaluator.measurement import measure_predictions
from components.affinity_evaluator.settings import EvaluationSettings

TARGETS = ("BRD4", "HSA", "sEH")
N = 60


class Bench:
    """Examples whose label follows `score`, molecules of the same ids, a candidate and a folder of pushed models."""

    def __init__(self, folder: Path, export: Callable[..., Path], write_examples: Callable[..., Path]) -> None:
        self.folder, self.export, self.write_examples = folder, export, write_examples
        rng = np.random.default_rng(11)
        self.labels = rng.integers(0, 2, (N, 3))
        scores = np.clip(self.labels * 0.3 + rng.random((N, 3)) * 0.6, 0, 1)
        self.groups = groups = rng.integers(0, 2, N)
        self.write(scores)
        self.models = folder / "model"
        self.molecules = folder / "molecules"
        self.lengths = rng.integers(1, 90, N)
        self.write_molecules(groups)
        self.unseen = find_unseen(self.molecules, [dc.Subset.TRAIN])

    def write(self, scores: NDArray[np.float64]) -> None:
        rows = [(100 + i, int(self.groups[i]), self.labels[i].tolist(), scores[i].tolist()) for i in range(N)]
        self.examples = self.write_examples(self.folder / "e.gz", rows)

    def write_molecules(self, groups: Any) -> None:
        """Validation molecules with ids from 97: the first three have no Examples, as if they had been rejected."""
        target = self.molecules / "Split-validation" / "molecules-00000.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        smiles = ["C"] * 3 + ["C" * int(length) for length in self.lengths]
        binds = np.concatenate([np.ones((3, 3), np.int64), self.labels]).ravel()
        table = pa.table(
            {
                dc.MOLECULE_ID: pa.array(range(97, 100 + N), pa.int64()),
                dc.SPLIT_GROUP: pa.array([0, 0, 0, *groups.tolist()], pa.int8()),
                dc.BINDS: pa.FixedSizeListArray.from_arrays(pa.array(binds, pa.int8()), 3),
                dc.SMILES: smiles,
                **{name: pa.nulls(3 + N, pa.int32()) for name in dc.BLOCK_IDS},
            }
        )
        pq.write_table(table, target, row_group_size=16)
        pq.write_table(pa.table({"smiles": ["CN", "CO"]}), self.molecules / dc.BLOCKS_FILE)

    def model(self, name: str, *, reverse: bool = False, vocabulary: list[str] | None = None, note: str = "") -> Path:
        folder = self.export(self.folder / name, reverse=reverse, note=note)
        description = {
            "model": {"mode": "clf", "max_length": 128},
            "vocabulary": vocabulary or ["[PAD]", "[MASK]", "C"],
            "targets": list(TARGETS),
        }
        (folder / "belka.json").write_text(json.dumps(description))
        return folder

    def push(self, model: Path, version: str = "17", unseen: Unseen | None = None) -> Path:
        shutil.copytree(model, self.models / version)
        write_unseen(unseen or self.unseen, self.models / version)
        write_champion(self.models, Champion(version, model_digest(model)))
        return self.models / version

    def evaluate(self, candidate: Path, targets: tuple[str, ...] = TARGETS, **settings: Any) -> Evaluation:
        return evaluate_model(
            candidate,
            [self.examples],
            self.folder / "out",
            targets=targets,
            settings=EvaluationSettings(batch_size=16, bootstrap_samples=20, **settings),
            seed=42,
            champion=ChampionSource(self.models, self.molecules, self.unseen),
        )


def export_bit_counter(folder: Path, kind: str | None = None) -> None:
    """Replace a model by one with `model.ecfp_branch`."""
    model = keras.Sequential([keras.Input([64]), keras.layers.Rescaling(0.01)])

    def serve(smiles: tf.Tensor, ecfp: tf.Tensor) -> dict[str, tf.Tensor]:
        del smiles
        packed = tf.cast(tf.reshape(tf.io.decode_raw(ecfp, tf.uint8), [-1, 8, 1]), tf.int32)
        bits = tf.reshape(packed // tf.constant([128, 64, 32, 16, 8, 4, 2, 1]) % 2, [-1, 64])
        counts = tf.reduce_sum(model(tf.cast(bits, tf.float32)), axis=1, keepdims=True)
        return {dc.OUTPUT_PROBABILITIES: counts * tf.ones([1, 3])}

    archive = keras.export.ExportArchive()
    archive.track(model)
    names = ("smiles", dc.FEATURE_ECFP)
    archive.add_endpoint(dc.SIGNATURE_SMILES, serve, [tf.TensorSpec([None], tf.string, name=name) for name in names])
    shutil.rmtree(folder / "variables")
    archive.write_out(str(folder), verbose=False)
    description = json.loads((folder / "belka.json").read_text())
    description["model"]["ecfp_branch"] = True
    description["ecfp"] = {"size": 64, "radius": 2, "chirality": True} | ({"kind": kind} if kind else {})
    (folder / "belka.json").write_text(json.dumps(description))


@pytest.fixture
def bench(tmp_path: Path, export_model: Callable[..., Path], write_examples: Callable[..., Path]) -> Bench:
    return Bench(tmp_path, export_model, write_examples)


def test_first_model_has_no_champion(bench: Bench) -> None:
    evaluation = bench.evaluate(bench.model("good"))
    assert evaluation.champion is None
    assert evaluation.verdict.blessed


def test_win_and_lose(bench: Bench) -> None:
    good, bad = bench.model("good"), bench.model("bad", reverse=True)
    bench.push(bad, "1")
    won = bench.evaluate(good)
    assert won.verdict.blessed
    bench.push(good, "2")
    lost = bench.evaluate(bad)
    assert not lost.verdict.blessed
    assert "is below" in lost.verdict.reasons[0]
    assert won.champion is not None
    assert lost.champion is not None
    assert (won.champion.version, lost.champion.version) == ("1", "2")
    assert won.champion.mean_average_precision == lost.mean_average_precision
    assert lost.champion.mean_average_precision == won.mean_average_precision
    assert lost.champion.slices == won.slices
    for before, after in zip(won.champion.gains, lost.champion.gains, strict=True):
        assert (before.name, before.value) == (after.name, -after.value)
        assert before.interval is not None
        assert after.interval is not None
        assert (before.interval.low, before.interval.high) == pytest.approx((-after.interval.high, -after.interval.low))


def test_gain_over_the_champion_has_an_interval_on_the_same_resamples(bench: Bench) -> None:
    bench.push(bench.model("bad", reverse=True))
    champion = bench.evaluate(bench.model("good")).champion
    assert champion is not None
    assert [gain.name for gain in champion.gains] == [MEAN, *(part.name for part in champion.slices)]
    settings = BootstrapSettings(samples=20)
    new, old = (
        measure_predictions(bench.folder / "out" / name, targets=TARGETS, bootstrap=settings)
        for name in ("predictions.parquet", "champion_predictions.parquet")
    )
    assert new.mean_average_precision is not None
    assert old.mean_average_precision is not None
    mean, first, *_ = champion.gains
    assert mean.value == pytest.approx(new.mean_average_precision - old.mean_average_precision, abs=1e-12)
    assert first.interval == settings.interval(new.samples[first.name] - old.samples[first.name])


def test_tie_of_another_model_keeps_the_champion(bench: Bench) -> None:
    bench.push(bench.model("good"))
    twin = bench.evaluate(bench.model("twin", note="other files, same predictions"))
    assert not twin.verdict.blessed
    assert "It ties with the model in production, version 17, which stays" in twin.verdict.reasons[0]


def test_champion_judged_again_stays_blessed_and_is_not_scored_twice(bench: Bench) -> None:
    good = bench.model("good")
    bench.push(good)
    again = bench.evaluate(good)
    assert again.verdict.blessed
    assert again.champion is not None
    assert again.champion.same_model
    assert again.champion.mean_average_precision == again.mean_average_precision
    assert not (bench.folder / "out" / "champion_predictions.parquet").exists()


def test_missing_champion_lets_nothing_through(bench: Bench) -> None:
    shutil.rmtree(bench.push(bench.model("bad", reverse=True)))
    evaluation = bench.evaluate(bench.model("good"))
    assert not evaluation.verdict.blessed
    assert "17 is gone. Restore it, or delete champion.json" in evaluation.verdict.reasons[0]


def test_changed_champion_lets_nothing_through(bench: Bench) -> None:
    (bench.push(bench.model("bad", reverse=True)) / "variables" / "extra").write_text("x")
    evaluation = bench.evaluate(bench.model("good"))
    assert "its files have changed" in evaluation.verdict.reasons[0]


def test_champion_of_another_vocabulary_is_scored_from_smiles(bench: Bench) -> None:
    """Its signature for Examples would read the token ids of the new model; the one for SMILES gives length / 100."""
    bench.push(bench.model("old", vocabulary=["[PAD]", "[MASK]", "C", "N"]))
    evaluation = bench.evaluate(bench.model("good"))
    assert evaluation.champion is not None
    assert evaluation.champion.scored_by == dc.SIGNATURE_SMILES
    written = pq.read_table(bench.folder / "out" / "champion_predictions.parquet")
    assert written[dc.MOLECULE_ID].to_pylist() == list(range(100, 100 + N))
    assert np.array(written[dc.OUTPUT_PROBABILITIES].to_pylist())[:, 0] == pytest.approx(bench.lengths / 100)
    groups = np.array(written[dc.SPLIT_GROUP].to_pylist())
    part = next(s for s in evaluation.champion.slices if s.name == "HSA/shared")
    expected = average_precision_score(bench.labels[groups == 0, 1], bench.lengths[groups == 0] / 100)
    assert part.average_precision == pytest.approx(expected, abs=1e-12)
    assert evaluation.verdict.blessed


@pytest.mark.parametrize(
    ("champion", "same"),
    [
        ({"vocabulary": ["C"], "model": {}}, True),
        ({"vocabulary": ["C"], "model": {"ecfp_branch": False}, "ecfp": {"size": 64}}, True),
        ({"vocabulary": ["C"], "model": {"ecfp_branch": True}, "ecfp": {"size": 128}}, True),
        ({"vocabulary": ["C"], "model": {"ecfp_branch": True}, "ecfp": {"size": 64}}, False),
        ({"vocabulary": ["N"], "model": {"ecfp_branch": True}, "ecfp": {"size": 128}}, False),
        ({"vocabulary": ["N"], "model": {}}, False),
        ({"vocabulary": ["C"], "model": {"ecfp_branch": True}, "ecfp": {"size": 128, "kind": "ecfp"}}, True),
        ({"vocabulary": ["C"], "model": {"ecfp_branch": True}, "ecfp": {"size": 128, "kind": "avalon"}}, False),
        ({"vocabulary": ["C"], "model": {"ecfp_branch": False}, "ecfp": {"size": 128, "kind": "avalon"}}, True),
        ({"vocabulary": ["C"], "members": ["transformer", "linear"], "ecfp": {"size": 128}}, True),
        ({"vocabulary": ["C"], "members": ["transformer", "linear"], "ecfp": {"size": 64}}, False),
        ({"vocabulary": ["C"], "members": ["transformer", "kernel"]}, False),
    ],
)
def test_a_champion_reads_only_examples_of_its_own_tokens_and_fingerprints(
    champion: dict[str, Any], same: bool, tmp_path: Path
) -> None:
    candidate = {"vocabulary": ["C"], "model": {}, "ecfp": {"size": 128}}
    read: list[ModelDescription] = []
    for content in (champion, candidate):
        (tmp_path / "belka.json").write_text(json.dumps(content))
        description = read_description(tmp_path)
        assert description is not None
        read.append(description)
    assert _reads_examples_of(*read) is same


def test_champion_of_another_vocabulary_that_reads_fingerprints_gets_its_own(bench: Bench) -> None:
    """It returns one hundredth of the number of bits RDKit sets, 64 of them, for every target."""
    folder = bench.model("old", vocabulary=["[PAD]", "[MASK]", "C", "N"])
    export_bit_counter(folder)
    bench.push(folder)
    evaluation = bench.evaluate(bench.model("good"))
    assert evaluation.champion is not None
    assert (evaluation.champion.problem, evaluation.champion.scored_by) == ("", dc.SIGNATURE_SMILES)
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=64, includeChirality=True)
    bits = [generator.GetFingerprint(Chem.MolFromSmiles("C" * int(n))).GetNumOnBits() for n in bench.lengths]
    written = pq.read_table(bench.folder / "out" / "champion_predictions.parquet")
    assert np.array(written[dc.OUTPUT_PROBABILITIES].to_pylist())[:, 0] == pytest.approx(np.array(bits) / 100)


def test_champion_of_another_fingerprint_gets_its_own_though_the_vocabulary_is_the_same(bench: Bench) -> None:
    folder = bench.model("old")
    export_bit_counter(folder, "avalon")
    bench.push(folder)
    evaluation = bench.evaluate(bench.model("good"))
    assert evaluation.champion is not None
    assert (evaluation.champion.problem, evaluation.champion.scored_by) == ("", dc.SIGNATURE_SMILES)
    bits = AvalonFingerprint(fp_size=64).transform(["C" * int(n) for n in bench.lengths]).sum(axis=1)
    written = pq.read_table(bench.folder / "out" / "champion_predictions.parquet")
    assert np.array(written[dc.OUTPUT_PROBABILITIES].to_pylist())[:, 0] == pytest.approx(bits / 100)


def test_champion_of_another_vocabulary_that_wins_stops_the_push(bench: Bench) -> None:
    """Turned round: with SMILES lengths that follow the labels the old model is better than a reversed new one."""
    table = pq.read_table(bench.molecules / "Split-validation" / "molecules-00000.parquet")
    smiles = ["C"] * 3 + ["C" * (1 + 10 * int(row.sum())) for row in bench.labels]
    table = table.set_column(table.schema.get_field_index(dc.SMILES), dc.SMILES, pa.array(smiles))
    pq.write_table(table, bench.molecules / "Split-validation" / "molecules-00000.parquet")
    bench.push(bench.model("old", vocabulary=["[PAD]", "[MASK]", "C", "N"]))
    assert not bench.evaluate(bench.model("bad", reverse=True)).verdict.blessed


def test_molecules_of_another_run_are_noticed(bench: Bench) -> None:
    bench.push(bench.model("old", vocabulary=["[PAD]", "[MASK]", "C", "N"]))
    path = bench.molecules / "Split-validation" / "molecules-00000.parquet"
    pq.write_table(pq.read_table(path).slice(0, 50), path)
    evaluation = bench.evaluate(bench.model("good"))
    assert "47 of 60 molecules of the Examples" in evaluation.verdict.reasons[0]


def test_champion_of_other_targets_is_refused(bench: Bench) -> None:
    folder = bench.model("old")
    (folder / "belka.json").write_text(json.dumps({"vocabulary": [], "targets": ["HSA", "BRD4", "sEH"]}))
    bench.push(folder)
    evaluation = bench.evaluate(bench.model("good"))
    assert "it predicts HSA, BRD4, sEH, the new model BRD4, HSA, sEH" in evaluation.verdict.reasons[0]


def test_champion_that_cannot_be_loaded_is_a_reason_not_a_crash(bench: Bench) -> None:
    folder = bench.model("old")
    (folder / "saved_model.pb").write_bytes(b"not a model")
    bench.push(folder)
    evaluation = bench.evaluate(bench.model("good"))
    assert not evaluation.verdict.blessed
    assert "cannot be compared" in evaluation.verdict.reasons[0]


@pytest.mark.parametrize("content", ["", "[1]", '{"version": "1"}', "\x00"])
def test_damaged_pointer_is_an_error_not_a_first_model(bench: Bench, content: str) -> None:
    bench.models.mkdir()
    (bench.models / "champion.json").write_text(content)
    with pytest.raises(InputError, match=r"pointer to the model in production(.|\n)*champion\.json"):
        bench.evaluate(bench.model("good"))


def memorised(bench: Bench, is_seen: NDArray[np.bool_]) -> None:
    """Write SMILES by which the old model knows the labels of the molecules it saw, and nothing of the others.

    Those it saw have the block 0, the others the block 1. All targets have the same labels, so that one length tells.
    """
    bench.labels[:] = bench.labels[:, :1]
    bench.write(np.clip(bench.labels * 0.3 + np.random.default_rng(5).random((N, 3)) * 0.7, 0, 1))
    bench.write_molecules(bench.groups)
    path = bench.molecules / "Split-validation" / "molecules-00000.parquet"
    table = pq.read_table(path)
    knows = np.where(is_seen, 10 + 20 * bench.labels.sum(axis=1), 40)
    smiles = ["C"] * 3 + [f"[{100 + i}C]" + "C" * int(length) for i, length in enumerate(knows)]
    blocks = pa.array([0] * 3 + (~is_seen).astype(int).tolist(), pa.int32())
    for name, column in {dc.SMILES: pa.array(smiles), **dict.fromkeys(dc.BLOCK_IDS, blocks)}.items():
        table = table.set_column(table.schema.get_field_index(name), name, column)
    pq.write_table(table, path)
    bench.unseen = find_unseen(bench.molecules, [dc.Subset.TRAIN])


@pytest.mark.parametrize("case", ["another seed", "another share", "other data"])
def test_a_champion_is_compared_on_molecules_it_never_saw(bench: Bench, case: str) -> None:
    is_seen = np.arange(N) % 3 > 0
    memorised(bench, is_seen)
    hashes = molecule_hashes(pa.array([f"[{100 + i}C]" + "C" * 40 for i in np.flatnonzero(~is_seen)]))
    unseen = {
        "another seed": Unseen(np.sort(hashes), seen_blocks=frozenset({"CN", "CO"})),
        "another share": Unseen(np.sort(hashes[:15]), seen_blocks=frozenset({"CN", "CO"})),
        "other data": Unseen(np.empty(0, np.uint64), seen_blocks=frozenset({"CN"})),
    }[case]
    bench.push(bench.model("old", vocabulary=["[PAD]", "[MASK]", "C", "N"]), unseen=unseen)
    evaluation = bench.evaluate(bench.model("good"), min_comparison_molecules=15, max_slice_regression=1.0)
    champion, measured_on_all = evaluation.champion, bench.folder / "out" / "champion_predictions.parquet"
    assert champion is not None
    assert champion.molecules == (15 if case == "another share" else 20)
    assert sum(part.n for part in champion.judged_slices) == 3 * champion.molecules
    assert sum(part.n for part in champion.slices) == 3 * champion.molecules
    # On all molecules, most of which it trained on, the champion seems the better one.
    seeming = measure_predictions(measured_on_all, targets=TARGETS).mean_average_precision
    assert seeming is not None
    assert evaluation.mean_average_precision is not None
    assert seeming > evaluation.mean_average_precision
    assert champion.mean_average_precision is not None
    assert champion.judged_mean is not None
    assert champion.judged_mean > champion.mean_average_precision
    assert champion.gains[0].value == champion.judged_mean - champion.mean_average_precision
    assert evaluation.verdict.blessed


def test_too_few_molecules_that_neither_saw_are_told_with_the_way_out(bench: Bench) -> None:
    is_seen = np.arange(N) % 3 > 0
    memorised(bench, is_seen)
    smiles = pq.read_table(bench.molecules / "Split-validation" / "molecules-00000.parquet")[dc.SMILES]
    seven = np.sort(molecule_hashes(smiles.slice(3, 7)))
    bench.push(bench.model("bad", reverse=True), unseen=Unseen(seven, seen_blocks=frozenset({"CN", "CO"})))
    good = bench.model("good")
    refused = bench.evaluate(good, min_comparison_molecules=8)
    (reason,) = refused.verdict.reasons
    assert "only 7 of 60 validation molecules" in reason
    assert "BRD4/shared" in reason
    assert "evaluation.min_comparison_molecules asks for 8" in reason
    assert "evaluation.replace_champion=true" in reason
    assert bench.evaluate(good, min_comparison_molecules=8, replace_champion=True).verdict.blessed
    assert not (bench.folder / "out" / "champion_predictions.parquet").exists()
    assert bench.evaluate(good, min_comparison_molecules=7).champion.problem == ""  # type: ignore[union-attr]


def test_a_champion_of_an_earlier_version_cannot_be_compared_honestly(bench: Bench) -> None:
    (bench.push(bench.model("bad", reverse=True)) / "unseen.parquet").unlink()
    good = bench.model("good")
    refused = bench.evaluate(good)
    assert not refused.verdict.blessed
    assert "has no record of what its training saw" in refused.verdict.reasons[0]
    assert "evaluation.replace_champion=true" in refused.verdict.reasons[0]
    assert bench.evaluate(good, replace_champion=True).verdict.blessed


def test_a_new_model_that_does_not_tell_what_it_saw_cannot_be_compared(bench: Bench) -> None:
    bench.push(bench.model("bad", reverse=True))
    bench.unseen = None  # type: ignore[assignment]
    assert "The new model has no record" in bench.evaluate(bench.model("good")).verdict.reasons[0]
