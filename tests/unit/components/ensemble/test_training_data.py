"""Labelled molecules from Examples: all, or a sample that does not depend on how they are cut into files."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from belka import contract as dc
from belka.examples import encode_examples, open_examples
from components.ensemble.training_data import read_molecules

N = 600


def write(folder: Path, *, n_files: int) -> list[Path]:
    """Molecules with one byte of fingerprint; the label of every tenth is unknown, and blocks only of the even ones."""
    ids = np.arange(N)
    blocks = np.repeat((ids % 251 + 1).astype(np.uint8)[:, None], dc.BLOCKS_BYTES, axis=1)
    binds = np.where(ids % 10 == 0, dc.LABEL_UNKNOWN, ids % 2)[:, None]
    files = []
    for number, rows in enumerate(np.array_split(np.random.default_rng(n_files).permutation(ids), n_files)):
        columns = {
            dc.MOLECULE_ID: pa.array(rows, pa.int64()),
            dc.BINDS: pa.array(binds[rows].tolist(), pa.list_(pa.int8(), 1)),
            dc.IDS: pa.array([[None]] * len(rows), pa.list_(pa.int64(), 1)),
            dc.SPLIT_GROUP: pa.array([0] * len(rows), pa.int8()),
        }
        tokens, splits = np.full(len(rows), 2), np.arange(len(rows) + 1)
        packed = (rows % 256).astype(np.uint8)[:, None]
        examples = encode_examples(
            pa.record_batch(columns), tokens, splits, packed, (blocks[rows], (rows % 2 == 0).astype(np.bool_))
        )
        files.append(folder / f"{n_files}-{number}.gz")
        with open_examples(files[-1]) as add:
            for example in examples:
                add(example)
    return files


def test_all_labelled_molecules_in_the_order_of_their_ids(tmp_path: Path) -> None:
    found = read_molecules(write(tmp_path, n_files=3), n_targets=1, max_molecules=1_000, seed=1, with_blocks=True)
    expected = np.array([i for i in range(N) if i % 10])
    np.testing.assert_array_equal(found.ids, expected)
    np.testing.assert_array_equal(found.ecfp[:, 0], expected % 256)
    np.testing.assert_array_equal(found.binds[:, 0], expected % 2)
    np.testing.assert_array_equal(found.has_blocks, expected % 2 == 0)
    assert found.found == len(expected)


def test_a_sample_is_the_same_however_the_files_are_cut(tmp_path: Path) -> None:
    one, many = (
        read_molecules(write(tmp_path, n_files=n), n_targets=1, max_molecules=100, seed=1, with_blocks=False)
        for n in (1, 7)
    )
    assert len(one.ids) == 100
    assert one.found == 540
    assert one.digest() == many.digest()
    assert not one.has_blocks.any()
    other = read_molecules(write(tmp_path, n_files=1), n_targets=1, max_molecules=100, seed=2, with_blocks=False)
    assert set(other.ids) != set(one.ids)
