"""The benchmark composes what it says, on a demonstration library."""

from benchmarks.featurize import REFERENCE_MOLECULES, compare_featurize


def test_composed_fingerprints_stand_beside_rdkit() -> None:
    comparison = compare_featurize(50_000, raw_dir=None, n_workers=2)
    assert comparison.reference.name == "RDKit parse + ECFP"
    assert 0 < comparison.reference.items <= REFERENCE_MOLECULES
    learning, composed = comparison.measurements
    assert learning.items > 5_000  # train and test molecules of the library
    assert 40_000 <= composed.items <= 50_000
    n_composed = int(comparison.notes[0].split(" of ")[0].replace(",", ""))
    assert 0.9 * composed.items < n_composed <= composed.items
    assert comparison.ratio(composed) > 1
