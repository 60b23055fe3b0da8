"""What baselines are trained on: labelled rows only, a sample that no order decides, blocks beside their molecule."""

from typing import Any

import numpy as np
import pytest

from belka import contract as dc
from belka import labelled_sample as module
from belka.examples import read_examples
from components.affinity_evaluator.baselines.rows import Rows, sample_rows


def sample(library: Any, limit: int, seed: int = 1, *, backwards: bool = False) -> tuple[Rows, int]:
    files = library.files(dc.Subset.TRAIN)
    return sample_rows(files[::-1] if backwards else files, library.molecules_dir, n_targets=2, limit=limit, seed=seed)


def test_all_labelled_rows_with_their_bits_blocks_and_labels(library: Any) -> None:
    rows, labelled = sample(library, 1000)
    assert sorted(rows.ids.tolist()) == list(range(300))
    assert labelled == 300
    np.testing.assert_array_equal(rows.packed, library.packed[rows.ids])
    np.testing.assert_array_equal(rows.blocks, library.blocks[rows.ids])
    np.testing.assert_array_equal(rows.labels, library.labels[rows.ids])
    np.testing.assert_array_equal(rows.bits().toarray(), np.unpackbits(rows.packed, axis=1))
    columns = rows.block_columns(24).toarray()
    assert columns.shape == (300, 72)
    for row, blocks in zip(columns, rows.blocks, strict=True):
        assert np.flatnonzero(row).tolist() == [24 * j + block for j, block in enumerate(blocks)]


def test_a_sample_is_random_and_the_same_whatever_the_order_of_the_files(library: Any) -> None:
    """Files of the real sample are sorted by label: the first rows of each are no sample."""
    (rows, labelled), (again, _) = sample(library, 40), sample(library, 40, backwards=True)
    np.testing.assert_array_equal(rows.ids, again.ids)
    assert (len(rows.ids), labelled) == (40, 300)
    np.testing.assert_array_equal(rows.ids, sample(library, 300)[0].ids[:40])
    assert len(np.intersect1d(rows.ids, sample(library, 40, seed=2)[0].ids)) < 20
    assert abs(rows.ids.mean() - 150) < 3 * 300 / np.sqrt(12 * 40)


def test_batches_change_nothing(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sample(library, 30)[0]
    monkeypatch.setattr(module, "read_examples", lambda *a, **k: read_examples(*a, **k, batch_size=7))
    np.testing.assert_array_equal(sample(library, 30)[0].ids, whole.ids)


def test_rows_without_a_known_label_are_left_out(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:

    def unknown(*args: Any, **settings: Any) -> Any:
        for batch in read_examples(*args, **settings):
            batch.columns[dc.FEATURE_BINDS][batch.columns[dc.FEATURE_MOLECULE_ID] < 100] = dc.LABEL_UNKNOWN
            yield batch

    monkeypatch.setattr(module, "read_examples", unknown)
    rows, labelled = sample(library, 1000)
    assert sorted(rows.ids.tolist()) == list(range(100, 300))
    assert labelled == 200


def test_no_training_files(library: Any) -> None:
    rows, labelled = sample_rows([], library.molecules_dir, n_targets=2, limit=10, seed=1)
    assert (len(rows.ids), rows.labels.shape, labelled) == (0, (0, 2), 0)
