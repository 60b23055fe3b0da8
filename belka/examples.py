"""The one reader and writer of TFRecord Examples."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from belka.contract import (
    ABSENT_ID,
    BINDS,
    BLOCKS_BYTES,
    COUNTS_FILE,
    FEATURE_BINDS,
    FEATURE_BLOCKS,
    FEATURE_DESCRIPTORS,
    FEATURE_ECFP,
    FEATURE_IDS,
    FEATURE_MOLECULE_ID,
    FEATURE_SPLIT_GROUP,
    FEATURE_TOKENS,
    IDS,
    MOLECULE_ID,
    OUTPUT_PROBABILITIES,
    SPLIT_GROUP,
    split_folder,
)
from belka.errors import BelkaError
from belka.files import atomic_path
from belka.wire_format import (
    Piece,
    bytes_feature,
    float_feature,
    int64_feature,
    optional_bytes_feature,
    serialize_examples,
)

# Columns of the molecules table that are copied into Examples.
COPIED_COLUMNS: Final = (MOLECULE_ID, BINDS, IDS, SPLIT_GROUP)
# Higher levels of gzip take up to five times as long and save a tenth of the space.
_GZIP_LEVEL: Final = 1


class _Feature(NamedTuple):
    """How a feature of Examples is read.

    Attributes:
        stored: TensorFlow's name of the stored type.
        per_target: Whether there is one value per target; otherwise there is one value.
        dtype: Type of the array that is read.
    """

    stored: str
    per_target: bool
    dtype: type[np.generic]


_FEATURES: Final = {
    FEATURE_MOLECULE_ID: _Feature("int64", per_target=False, dtype=np.int64),
    FEATURE_SPLIT_GROUP: _Feature("int64", per_target=False, dtype=np.int8),
    FEATURE_BINDS: _Feature("int64", per_target=True, dtype=np.int8),
    FEATURE_IDS: _Feature("int64", per_target=True, dtype=np.int64),
    FEATURE_ECFP: _Feature("string", per_target=False, dtype=np.uint8),
    FEATURE_BLOCKS: _Feature("string", per_target=False, dtype=np.uint8),
    OUTPUT_PROBABILITIES: _Feature("float32", per_target=True, dtype=np.float32),
}


class ExampleBatch(NamedTuple):
    """Some Examples, in the order of their file.

    Attributes:
        serialized: String tensor [n].
        columns: Feature -> array [n], or [n, n_targets]; packed fingerprints are uint8 [n, n_bytes], zeros where an
            Example has empty `blocks`.
    """

    serialized: Any
    columns: dict[str, npt.NDArray[Any]]


def list_examples(examples_dir: Path, split: str) -> list[Path]:
    """The TFRecord files of a split by name; unfinished ones, whose names start with a dot, are left out."""
    return sorted(path for path in (examples_dir / split_folder(split)).glob("[!.]*") if path.is_file())


def compression_of(path: Path | str) -> str:
    """The compression that the name of a TFRecord file tells, as TensorFlow spells it: GZIP, or nothing."""
    return "GZIP" if str(path).endswith(".gz") else ""


def read_examples(
    files: Sequence[Path | str],
    features: Sequence[str],
    *,
    n_targets: int,
    batch_size: int = 4_096,
    first: int | None = None,
    action: str = "Run the step make_dataset again; check that data.targets is what it was run with.",
) -> Iterator[ExampleBatch]:
    """Read Examples, one file after the other; memory grows with the batch, not with the files.

    Args:
        files: TFRecord files.
        features: Names of the features to read.
        n_targets: Number of targets.
        batch_size: Examples read at a time.
        first: Number of Examples to read of each file; None = all.
        action: What to do where they cannot be read.

    Yields:
        The batches.

    Raises:
        BelkaError: A file is damaged, or an Example lacks a feature or has another number of values.
    """
    import tensorflow as tf

    spec = {
        name: tf.io.FixedLenFeature([n_targets] if _FEATURES[name].per_target else [], _FEATURES[name].stored)
        for name in features
    }
    for path in files:
        records = tf.data.TFRecordDataset(str(path), compression_type=compression_of(path))
        batches = (records if first is None else records.take(first)).batch(batch_size)
        parsed = batches.map(lambda batch: (batch, tf.io.parse_example(batch, spec))).prefetch(1)
        try:
            for serialized, tensors in parsed:
                yield ExampleBatch(serialized, {name: _array(name, tensors[name].numpy()) for name in features})
        except (tf.errors.InvalidArgumentError, tf.errors.DataLossError) as error:
            lists = " and ".join(name for name in features if _FEATURES[name].per_target)
            raise BelkaError(
                "Examples cannot be read.",
                received=f"{path}: {str(error).splitlines()[0]}",
                expected=f"whole Examples with {', '.join(features)}; {n_targets} values each in {lists}",
                action=action,
            ) from error


@contextmanager
def open_examples(path: Path) -> Iterator[Callable[[bytes], None]]:
    """Write a TFRecord file, compressed as its name tells; it appears whole, or not at all.

    Args:
        path: The file.

    Yields:
        Takes one serialized Example after the other.
    """
    import tensorflow as tf

    options = tf.io.TFRecordOptions(compression_type=compression_of(path), compression_level=_GZIP_LEVEL)
    with atomic_path(path) as temporary, tf.io.TFRecordWriter(str(temporary), options) as writer:
        yield writer.write


def write_counts(examples_dir: Path, counts: Mapping[Path, int]) -> None:
    """Note how many Examples the files of a folder hold: reading them to count takes minutes where they are many.

    Args:
        examples_dir: Folder of the Examples artifact.
        counts: File in one of its splits -> number of Examples.
    """
    listed = {
        str(path.relative_to(examples_dir)): {"examples": count, "bytes": path.stat().st_size}
        for path, count in counts.items()
    }
    with atomic_path(examples_dir / COUNTS_FILE) as temporary:
        temporary.write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")


def known_count(path: Path) -> int | None:
    """Number of Examples in a file as `write_counts` noted it; None if it did not, or the file has another size now."""
    examples_dir = path.parent.parent
    try:
        noted = json.loads((examples_dir / COUNTS_FILE).read_text(encoding="utf-8"))
        entry = noted[str(path.relative_to(examples_dir))]
        return int(entry["examples"]) if int(entry["bytes"]) == path.stat().st_size else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def known_total(files: Sequence[Path]) -> int | None:
    """Number of Examples in some files; None where that of one is not known without reading it."""
    counts = [known_count(path) for path in files]
    return None if None in counts else sum(filter(None, counts))


def len_of(batch: ExampleBatch) -> int:
    """Number of Examples in a batch."""
    return len(next(iter(batch.columns.values())))


def encode_examples(
    molecules: pa.RecordBatch,
    tokens: npt.NDArray[np.int64],
    row_splits: npt.NDArray[np.int64],
    fingerprints: npt.NDArray[np.uint8],
    blocks: tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]] | None = None,
) -> list[bytes]:
    """Serialize a batch as tf.Examples with the features of the data contract.

    Args:
        molecules: n rows with at least `COPIED_COLUMNS`.
        tokens: int64 [n_tokens_of_all], the token ids of one molecule after the other.
        row_splits: int64 [n + 1], where each molecule's tokens start in `tokens`.
        fingerprints: uint8 [n, n_bytes], packed bits.
        blocks: uint8 [n, BLOCKS_BYTES], and bool [n], whether a molecule has any; None = Examples without the feature.

    Returns:
        One serialized Example per molecule; the same bytes for the same values.
    """
    features = {
        FEATURE_MOLECULE_ID: _single(molecules.column(MOLECULE_ID)),
        FEATURE_TOKENS: int64_feature(tokens, row_splits),
        FEATURE_ECFP: bytes_feature(fingerprints),
        FEATURE_BINDS: _lists(molecules.column(BINDS)),
        FEATURE_IDS: _lists(molecules.column(IDS)),
        FEATURE_SPLIT_GROUP: _single(molecules.column(SPLIT_GROUP)),
    }
    if blocks is not None:
        features[FEATURE_BLOCKS] = optional_bytes_feature(*blocks)
    return serialize_examples(features, molecules.num_rows)


def encode_described(
    tokens: npt.NDArray[np.int64],
    row_splits: npt.NDArray[np.int64],
    descriptors: npt.NDArray[np.float32],
    groups: npt.NDArray[np.int64],
) -> list[bytes]:
    """Serialize molecules as tf.Examples of the stage mtr.

    Args:
        tokens: int64 [n_tokens_of_all], the token ids of one molecule after the other.
        row_splits: int64 [n + 1], where each molecule's tokens start in `tokens`.
        descriptors: float32 [n, n_descriptors], scaled; NaN = not defined.
        groups: int64 [n], SplitGroup.

    Returns:
        One serialized Example per molecule; the same bytes for the same values.
    """
    features = {
        FEATURE_TOKENS: int64_feature(tokens, row_splits),
        FEATURE_DESCRIPTORS: float_feature(descriptors),
        FEATURE_SPLIT_GROUP: int64_feature(groups, np.arange(len(groups) + 1)),
    }
    return serialize_examples(features, len(groups))


def _array(name: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if name == FEATURE_BLOCKS:
        sizes = np.array([len(value) for value in values], np.int64)
        if odd := sorted(set(sizes.tolist()) - {0, BLOCKS_BYTES}):
            raise BelkaError(
                "Examples cannot be read.",
                received=f"{name} of {odd[0]} bytes",
                expected=f"{BLOCKS_BYTES} bytes, or none",
                action="Run the step make_dataset again.",
            )
        packed = np.zeros((len(values), BLOCKS_BYTES), np.uint8)
        packed[sizes > 0] = np.frombuffer(b"".join(values), np.uint8).reshape(-1, BLOCKS_BYTES)
        return packed
    if _FEATURES[name].stored == "string":
        return np.frombuffer(b"".join(values), np.uint8).reshape(len(values), -1)
    return values.astype(_FEATURES[name].dtype, copy=False)


def _single(values: pa.Array) -> list[Piece]:
    """Make a feature of one integer per molecule."""
    return int64_feature(values.cast(pa.int64()).to_numpy(), np.arange(len(values) + 1))


def _lists(column: pa.FixedSizeListArray) -> list[Piece]:
    """Make a feature of lists of integers [n, k]; a null is ABSENT_ID."""
    values = pc.fill_null(column.flatten().cast(pa.int64()), ABSENT_ID)
    return int64_feature(values.to_numpy(), np.arange(len(column) + 1) * column.type.list_size)
