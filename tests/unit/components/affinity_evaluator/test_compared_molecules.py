"""A champion is compared on molecules that neither model saw in training."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from belka import contract as dc
from belka.models.unseen import Unseen, find_unseen, molecule_hashes
from components.affinity_evaluator.measurement import measure_predictions
from tests.unit.components.affinity_evaluator.conftest import TARGETS, Bench, N


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
