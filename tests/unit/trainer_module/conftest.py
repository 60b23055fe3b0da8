"""Examples, vocabularies and transform graphs for the trainer's tests."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from belka.chemistry.descriptors import DESCRIPTORS
from belka.contract import (
    FEATURE_BINDS,
    FEATURE_DESCRIPTORS,
    FEATURE_ECFP,
    FEATURE_SPLIT_GROUP,
    FEATURE_TOKENS,
    MASK_TOKEN,
    PAD_TOKEN,
)
from trainer_module.loop.train import TrainingData, TrainingResult, train
from trainer_module.settings import DEFAULT_ECFP_SIZE, parse_run_settings

_FRAGMENTS = (
    "CC",
    "c1ccccc1",
    "C(=O)O",
    "CBr",
    "CCl",
    "C#N",
    "CF",
    "C1CC1",
    "CS",
    "C(N)=O",
    "COC",
    "CP",
    "CI",
    "c1ccncc1",
    "C=C",
    "CO",
)
VOCABULARY = (
    PAD_TOKEN,
    MASK_TOKEN,
    *sorted({"C", "c", "1", "(", "=", "O", ")", "Br", "Cl", "#", "N", "F", "S", "P", "I", "n"}),
)


@dataclass(frozen=True)
class Molecules:
    """Molecules whose labels, tokens and bits belong together."""

    smiles: list[str]
    tokens: list[list[int]]
    binds: NDArray[np.int64]
    ecfp: NDArray[np.uint8]
    groups: NDArray[np.int64]
    descriptors: NDArray[np.float32]

    def write(self, path: Path) -> str:
        path.parent.mkdir(parents=True, exist_ok=True)
        options = "GZIP" if path.suffix == ".gz" else ""
        with tf.io.TFRecordWriter(str(path), options) as writer:
            for example in self.serialized():
                writer.write(example)
        return str(path)

    def serialized(self) -> list[bytes]:
        rows = zip(self.tokens, self.binds, self.ecfp, self.groups, self.descriptors, strict=True)
        return [serialized_example(*row) for row in rows]

    def part(self, start: int, stop: int) -> "Molecules":
        return Molecules(
            self.smiles[start:stop],
            self.tokens[start:stop],
            self.binds[start:stop],
            self.ecfp[start:stop],
            self.groups[start:stop],
            self.descriptors[start:stop],
        )


def serialized_example(
    tokens: Sequence[int], binds: Sequence[int], bits: NDArray[np.uint8], group: int, descriptors: Sequence[float] = ()
) -> bytes:
    def integers(values: Sequence[int]) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    features = {
        FEATURE_TOKENS: integers(tokens),
        FEATURE_BINDS: integers(binds),
        FEATURE_ECFP: tf.train.Feature(bytes_list=tf.train.BytesList(value=[np.packbits(bits).tobytes()])),
        FEATURE_SPLIT_GROUP: integers([group]),
        FEATURE_DESCRIPTORS: tf.train.Feature(float_list=tf.train.FloatList(value=descriptors)),
    }
    serialized: bytes = tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
    return serialized


def tokens_of(smiles: str) -> list[int]:
    spaced = smiles.replace("Br", "\0").replace("Cl", "\1")
    return [VOCABULARY.index({"\0": "Br", "\1": "Cl"}.get(character, character)) for character in spaced]


def make_molecules(number: int, *, seed: int = 0) -> Molecules:
    """Distinct molecules with random labels, and fingerprints and descriptors that follow from their fragments.

    A few labels are unknown, and a few descriptors not defined.
    """
    generator = np.random.default_rng(seed)
    parts = list(product(range(len(_FRAGMENTS)), repeat=3))
    chosen = [parts[index] for index in generator.choice(len(parts), number, replace=False)]
    bits_of = generator.random((len(_FRAGMENTS), DEFAULT_ECFP_SIZE)) < 0.01
    ecfp = np.array([bits_of[list(part)].any(axis=0) for part in chosen]).astype(np.uint8)
    binds = generator.choice([0, 1, 2], size=(number, 3), p=[0.6, 0.3, 0.1])
    smiles = ["".join(_FRAGMENTS[index] for index in part) for part in chosen]
    groups = generator.integers(0, 2, number)
    value_of = generator.normal(size=(len(_FRAGMENTS), len(DESCRIPTORS)))
    descriptors = np.array([value_of[list(part)].mean(axis=0) for part in chosen]).astype(np.float32)
    descriptors[generator.random(descriptors.shape) < 0.05] = np.nan
    return Molecules(smiles, [tokens_of(text) for text in smiles], binds, ecfp, groups, descriptors)


@pytest.fixture(scope="session")
def molecules() -> Molecules:
    return make_molecules(400)


@pytest.fixture(scope="session")
def training_data(molecules: Molecules, tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    folder = tmp_path_factory.mktemp("examples")
    return TrainingData(
        train_files=(
            molecules.part(0, 150).write(folder / "train" / "data-0.gz"),
            molecules.part(150, 256).write(folder / "train" / "data-1.gz"),
        ),
        eval_files=(molecules.part(256, 400).write(folder / "validation" / "data-0.gz"),),
        vocabulary=VOCABULARY,
    )


@pytest.fixture(scope="session")
def transform_graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from components.molecule_transform.transform_graph import write_transform_graph  # imports Beam: only where needed

    folder = tmp_path_factory.mktemp("transform") / "graph"
    write_transform_graph(
        folder, preprocessing_fn="trainer_module.preprocessing.preprocessing_fn", vocabulary=VOCABULARY
    )
    return folder


@pytest.fixture
def train_small(training_data: TrainingData, tmp_path: Path) -> Callable[..., TrainingResult]:
    """Train a small model on 256 molecules; XLA is off, since compiling would take longer than training."""

    def run(
        data: TrainingData = training_data,
        folder: str = "run",
        model: Mapping[str, Any] | None = None,
        training: Mapping[str, Any] | None = None,
        on_validation: Callable[[Mapping[str, float]], None] | None = None,
        **config: Any,
    ) -> TrainingResult:
        settings = {
            "mode": "clf",
            "checkpoint_root": str(tmp_path / "checkpoints" / folder),
            **config,
            "model": {"depth": 16, "num_heads": 2, "num_layers": 1, "max_length": 24, **(model or {})},
            "training": {"batch_size": 64, "epochs": 2, "bucket_boundaries": [12], "xla": "off", **(training or {})},
        }
        return train(parse_run_settings(settings), data, log_dir=tmp_path / folder, on_validation=on_validation)

    return run
