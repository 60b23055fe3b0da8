"""Bootstrap intervals and calibration."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, brier_score_loss

from components.affinity_evaluator import bootstrap
from components.affinity_evaluator.bootstrap import BootstrapSettings, ResampledSlice, SliceSamples, resample_slices
from components.affinity_evaluator.calibration import calibration_bin_of, calibration_bins
from components.affinity_evaluator.ranking import RankedCells, RankedMolecules
from components.affinity_evaluator.slices import ENRICHMENT_SHARES, RECALLS, SliceMetrics, add_intervals, slice_metrics
from components.affinity_evaluator.units import Units

RNG = np.random.default_rng(7)
SCORES = RNG.random(600).astype(np.float32).round(2)
LABELS = (RNG.random(600) < SCORES / 3).astype(np.int8)


def measured(settings: BootstrapSettings, *stream: int) -> SliceMetrics:
    plain = slice_metrics("HSA", "shared", LABELS, SCORES)
    (samples,) = resampled([LABELS], [SCORES], settings.samples, settings.generator(*stream))
    return add_intervals(plain, samples, settings)


def resampled(
    labels: list[NDArray[np.int8]], scores: list[NDArray[np.float32]], n_samples: int, generator: np.random.Generator
) -> list[SliceSamples]:
    """Resample slices of the same molecules, all labels known."""
    units = Units.of_molecules(len(labels[0]), np.random.default_rng(0))
    slices = [
        ResampledSlice.count(known, values, units.of, units.n, calibration_bin_of(values))
        for known, values in zip(labels, scores, strict=True)
    ]
    settings = {"shares": ENRICHMENT_SHARES, "recalls": RECALLS, "n_samples": n_samples}
    return resample_slices(slices, units, generator=generator, **settings)  # type: ignore[arg-type]


def test_intervals_hold_the_value_and_widen_with_confidence() -> None:
    narrow = measured(BootstrapSettings(samples=400, confidence=0.5, seed=1))
    wide = measured(BootstrapSettings(samples=400, confidence=0.99, seed=1))
    for name in ("average_precision", "roc_auc", "brier"):
        inner, outer = getattr(narrow.intervals, name), getattr(wide.intervals, name)
        assert outer.low < inner.low < getattr(wide, name) < inner.high < outer.high, name
    assert wide.intervals is not None
    assert len(wide.intervals.enrichment) == len(wide.enrichment) == 3
    for interval, part in zip(wide.intervals.calibration, wide.calibration, strict=True):
        assert interval is not None
        assert interval.low <= part.observed <= interval.high


def test_same_seed_same_intervals_and_other_streams_differ() -> None:
    first, again = measured(BootstrapSettings(100), 0, 1), measured(BootstrapSettings(100), 0, 1)
    assert first == again
    assert measured(BootstrapSettings(100), 1, 0).intervals != first.intervals
    assert measured(BootstrapSettings(100, seed=43), 0, 1).intervals != first.intervals


def test_chunks_of_resamples_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    (whole,) = resampled([LABELS], [SCORES], 77, np.random.default_rng(1))
    monkeypatch.setattr(bootstrap, "_CELLS_AT_A_TIME", 1000)
    (chunks,) = resampled([LABELS], [SCORES], 77, np.random.default_rng(1))
    assert chunks.average_precision.shape == (77,)
    assert chunks.precision.shape == (50, 77)
    for name in ("average_precision", "roc_auc", "enrichment", "precision", "brier", "observed"):
        np.testing.assert_array_equal(getattr(chunks, name), getattr(whole, name))


def test_a_resample_is_one_of_molecules() -> None:
    """Every value is scikit-learn's on the molecules that the same generator draws."""
    (found,) = resampled([LABELS], [SCORES], 20, np.random.default_rng(4))
    generator = np.random.default_rng(4)
    for i in range(20):
        drawn = generator.integers(600, size=600)
        sample = LABELS[drawn], SCORES[drawn]
        assert found.average_precision[i] == pytest.approx(average_precision_score(*sample), abs=1e-12)
        assert found.brier[i] == pytest.approx(brier_score_loss(*sample), abs=1e-6)
        bins = calibration_bin_of(SCORES)[drawn]
        expected = [sample[0][bins == one].mean() for one in range(10)]
        assert found.observed[:, i] == pytest.approx(expected, abs=1e-12)


def test_targets_are_resampled_together() -> None:
    """Two targets with the same labels and scores vary as one: their mean is as unsure as each of them."""
    same = resampled([LABELS, LABELS], [SCORES, SCORES], 300, np.random.default_rng(1))
    np.testing.assert_array_equal(same[0].average_precision, same[1].average_precision)


def test_precision_has_intervals_at_every_recall() -> None:
    found = measured(BootstrapSettings(300))
    assert found.intervals is not None
    plain = RankedCells.from_predictions(LABELS, SCORES).precision_at(np.array(RECALLS))
    assert len(found.intervals.precision) == len(RECALLS) == 50
    for value, interval in zip(plain[5:], found.intervals.precision[5:], strict=True):
        assert interval is not None
        assert interval.low <= value <= interval.high


def test_percentile_interval_by_hand() -> None:
    samples = np.append(np.arange(101.0), np.nan)
    interval = BootstrapSettings(confidence=0.9).interval(samples)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((5.0, 95.0))
    assert BootstrapSettings().interval(np.array([np.nan])) is None


def test_calibration_is_scikit_learns_with_sizes() -> None:
    observed, predicted = calibration_curve(LABELS, SCORES.astype(np.float64), n_bins=10, strategy="quantile")
    bins = calibration_bins(LABELS, SCORES)
    assert [b.observed for b in bins] == pytest.approx(observed.tolist(), abs=1e-12)
    assert [b.predicted for b in bins] == pytest.approx(predicted.tolist(), abs=1e-12)
    assert sum(b.n for b in bins) == 600
    assert sum(b.positives for b in bins) == LABELS.sum()
    assert all(b.observed == pytest.approx(b.positives / b.n, abs=1e-12) for b in bins)


def test_one_probability_for_all_is_one_bin() -> None:
    (only,) = calibration_bins(np.array([0, 1, 1, 0], np.int8), np.full(4, 0.25, np.float32))
    assert (only.predicted, only.observed, only.n, only.positives) == (0.25, 0.5, 4, 2)


def test_many_positives_are_resampled_in_groups_and_move_by_less_than_they_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(3)
    labels = (rng.random(20_000) < 0.2).astype(np.int8)
    scores = (0.7 * rng.random(20_000) + 0.3 * labels * rng.random(20_000)).astype(np.float32)
    (exact,) = resampled([labels], [scores], 5, np.random.default_rng(1))
    monkeypatch.setattr(bootstrap, "MAX_TIE_GROUPS", 500)
    (grouped,) = resampled([labels], [scores], 5, np.random.default_rng(1))
    ranking = RankedMolecules.from_predictions(labels, scores, max_groups=500)
    assert 400 < ranking.n_groups <= 500
    np.testing.assert_allclose(grouped.average_precision, exact.average_precision, atol=1 / 500)
    np.testing.assert_allclose(grouped.roc_auc, exact.roc_auc, atol=1 / 500)
    assert (grouped.average_precision != exact.average_precision).all()


def test_out_of_range_predictions_have_no_calibration() -> None:
    found = slice_metrics("HSA", "shared", np.array([0, 1], np.int8), np.array([0.5, 1.5], np.float32))
    assert (found.brier, found.calibration, found.average_precision) == (None, (), 1.0)
