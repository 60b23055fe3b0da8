"""A small library whose blocks decide what binds, as Examples and as a molecules table."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from belka import contract as dc

N_BLOCKS = 24  # 8 a position; 0 and 1 are held out
N_TRAIN, N_VALIDATION = 300, 160


class Library:
    """Molecules of three blocks each; a block sets four bits and has an effect on each of two proteins.

    Attributes:
        folder: Holds `examples` and `molecules`.
        blocks: int32 [n, 3]; the first N_TRAIN rows are training, with molecule ids from 0.
        packed: uint8 [n, 8].
        labels: int8 [n, 2], every tenth of the second protein unknown.
        groups: int8 [n].
    """

    def __init__(self, folder: Path) -> None:
        self.folder, rng = folder, np.random.default_rng(3)
        n = N_TRAIN + N_VALIDATION
        self.blocks = np.stack([rng.integers(8 * j, 8 * j + 8, n) for j in range(3)], axis=1).astype(np.int32)
        self.blocks[:N_TRAIN, 0] = rng.integers(2, 8, N_TRAIN)
        self.groups = (self.blocks[:, 0] < 2).astype(np.int8)
        bits = np.zeros((N_BLOCKS, 64), np.uint8)
        for row in bits:
            row[rng.integers(0, 64, 4)] = 1
        self.packed = np.packbits(bits[self.blocks].max(axis=1), axis=1)
        effects = rng.normal(size=(N_BLOCKS, 2))
        logits = effects[self.blocks].sum(axis=1) + 0.5 * rng.normal(size=(n, 2)) - 0.5
        self.labels = (logits > 0).astype(np.int8)
        self.labels[::10, 1] = dc.LABEL_UNKNOWN
        self.write()

    @property
    def molecules_dir(self) -> Path:
        return self.folder / "molecules"

    def files(self, subset: dc.Subset) -> list[Path]:
        return sorted((self.folder / "examples" / f"Split-{subset.split}").iterdir())

    def rows(self, subset: dc.Subset) -> NDArray[np.int64]:
        return np.arange(N_TRAIN) if subset is dc.Subset.TRAIN else np.arange(N_TRAIN, len(self.blocks))

    def write(self) -> None:
        for subset in (dc.Subset.TRAIN, dc.Subset.VALIDATION):
            rows = self.rows(subset)
            for half, part in enumerate((rows[::2], rows[1::2])):
                self.write_examples(subset, f"data-{half}.gz", part)
            folder = self.molecules_dir / dc.split_folder(subset.split)
            folder.mkdir(parents=True, exist_ok=True)
            blocks = {name: pa.array(self.blocks[rows, j], pa.int32()) for j, name in enumerate(dc.BLOCK_IDS)}
            pq.write_table(pa.table({dc.MOLECULE_ID: rows, **blocks}), folder / "molecules-00000.parquet")
        held_out = np.arange(N_BLOCKS) < 2
        table = {"smiles": ["C" * (i + 1) + "N" for i in range(N_BLOCKS)], "in_validation": held_out}
        pq.write_table(pa.table(table), self.molecules_dir / dc.BLOCKS_FILE)

    def write_examples(
        self,
        subset: dc.Subset,
        name: str,
        rows: Sequence[int] | NDArray[np.int64],
        scores: NDArray[np.float32] | None = None,
    ) -> None:
        path = self.folder / "examples" / f"Split-{subset.split}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
            for i in rows:
                integers = {
                    dc.FEATURE_MOLECULE_ID: [int(i)],
                    dc.FEATURE_SPLIT_GROUP: [int(self.groups[i])],
                    dc.FEATURE_BINDS: self.labels[i].tolist(),
                }
                features = {k: tf.train.Feature(int64_list=tf.train.Int64List(value=v)) for k, v in integers.items()}
                features[dc.FEATURE_ECFP] = tf.train.Feature(
                    bytes_list=tf.train.BytesList(value=[self.packed[i].tobytes()])
                )
                score = np.full(2, 0.5) if scores is None else scores[i]
                features["score"] = tf.train.Feature(float_list=tf.train.FloatList(value=score.tolist()))
                writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(tmp_path_factory.mktemp("library"))
