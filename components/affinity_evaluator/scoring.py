"""Score Examples with an exported model, the way BulkInferrer and a server do, and keep the predictions beside the labels."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from numpy.typing import NDArray

from belka import contract as dc
from belka.errors import BelkaError
from belka.files import atomic_path

Predict = Callable[[Any], NDArray[np.float32]]

_ROWS_PER_GROUP: Final = 131_072


def predictions_schema(n_targets: int) -> pa.Schema:
    """The columns of predictions.parquet.

    Args:
        n_targets: Number of targets.

    Returns:
        molecule_id int64, split_group int8, binds int8[n_targets] (2 = unknown), probabilities float32[n_targets].
    """
    fields: list[pa.Field[Any]] = [
        pa.field(dc.MOLECULE_ID, pa.int64()),
        pa.field(dc.SPLIT_GROUP, pa.int8()),
        pa.field(dc.BINDS, pa.list_(pa.int8(), n_targets)),
        pa.field(dc.OUTPUT_PROBABILITIES, pa.list_(pa.float32(), n_targets)),
    ]
    return pa.schema(fields)


class PredictionsWriter:
    """Writes predictions.parquet; the file appears whole when the `with` block ends without an error, or not at all.

    Args:
        path: The file.
        n_targets: Number of targets.
    """

    def __init__(self, path: Path, n_targets: int) -> None:
        self._path, self._n_targets = path, n_targets
        self._schema = predictions_schema(n_targets)
        self._waiting: list[pa.RecordBatch] = []
        self._stack = ExitStack()
        self.n_rows = 0

    def __enter__(self) -> Self:
        temporary = self._stack.enter_context(atomic_path(self._path))
        self._writer = self._stack.enter_context(pq.ParquetWriter(temporary, self._schema))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._stack.__exit__(kind, error, trace)

    def write(
        self,
        molecule_ids: NDArray[np.int64],
        split_groups: NDArray[np.int8],
        labels: NDArray[np.int8],
        probabilities: NDArray[np.float32],
    ) -> None:
        """Add molecules.

        Args:
            molecule_ids: int64 [n].
            split_groups: int8 [n].
            labels: int8 [n * n_targets], one molecule after the other.
            probabilities: float32 [n, n_targets].

        Raises:
            BelkaError: The probabilities have another shape.
        """
        expected = (molecule_ids.size, self._n_targets)
        if probabilities.shape != expected:
            raise BelkaError(
                "The model predicts for another number of targets.",
                received=f"probabilities of shape {probabilities.shape}",
                expected=f"shape {expected}: molecules x targets",
                action="Train the model again with the same data.targets.",
            )
        arrays: list[pa.Array[Any]] = [
            pa.array(molecule_ids),
            pa.array(split_groups),
            pa.FixedSizeListArray.from_arrays(pa.array(labels), self._n_targets),
            pa.FixedSizeListArray.from_arrays(pa.array(probabilities.ravel()), self._n_targets),
        ]
        self._waiting.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        self.n_rows += molecule_ids.size
        if sum(batch.num_rows for batch in self._waiting) >= _ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_batches(self._waiting, schema=self._schema))
        self._waiting.clear()


def score_examples(
    model_dir: Path, examples_files: Sequence[Path], predictions_file: Path, *, n_targets: int, batch_size: int
) -> None:
    """Write the predictions of a model for every Example, in the order of the files.

    Args:
        model_dir: SavedModel with the signature `serving_default`: serialized Examples in, `probabilities` out.
        examples_files: TFRecord files, GZIP if their name ends with .gz.
        predictions_file: Parquet file to write, see `predictions_schema`; appears whole or not at all.
        n_targets: Number of targets of the Examples and of the model.
        batch_size: Examples scored at a time; memory grows with it, not with the number of Examples.

    Raises:
        BelkaError: The model cannot be loaded, has another signature or another number of targets, or Examples are damaged.
    """
    predict = load_signature(model_dir, dc.SIGNATURE_EXAMPLES)
    with PredictionsWriter(predictions_file, n_targets) as writer:
        for serialized, columns in _batches(examples_files, n_targets, batch_size):
            writer.write(
                columns[dc.FEATURE_MOLECULE_ID].numpy(),
                columns[dc.FEATURE_SPLIT_GROUP].numpy().astype(np.int8),
                columns[dc.FEATURE_BINDS].numpy().astype(np.int8).ravel(),
                predict(serialized),
            )


def load_signature(model_dir: Path, name: str) -> Predict:
    """Load one signature that takes a batch of strings and returns probabilities.

    Args:
        model_dir: SavedModel.
        name: Name of the signature.

    Returns:
        A function from a string tensor [batch] to float32 [batch, n_targets].

    Raises:
        BelkaError: The model cannot be loaded or has no such signature.
    """
    try:
        # The loaded object must outlive its signature, which holds its variables by weak references only.
        loaded = tf.saved_model.load(str(model_dir))
    except (OSError, ValueError) as error:
        raise BelkaError(
            "The model cannot be loaded.",
            received=f"{model_dir}: {str(error).splitlines()[0]}",
            expected="a SavedModel written by the trainer",
            action="Run the training step again.",
        ) from error
    signature = loaded.signatures.get(name)
    arguments = [] if signature is None else list(signature.structured_input_signature[1])
    if signature is None or dc.OUTPUT_PROBABILITIES not in signature.structured_outputs or len(arguments) != 1:
        raise BelkaError(
            f"The model has no usable signature {name!r}.",
            received=f"{model_dir} with {_describe(loaded.signatures)}",
            expected=f"{name!r} with one input and the output {dc.OUTPUT_PROBABILITIES!r}",
            action="Export the model of the stage clf; those of mlm and fps predict no affinities.",
        )

    def predict(values: Any) -> NDArray[np.float32]:
        outputs = loaded.signatures[name](**{arguments[0]: values})
        return np.asarray(outputs[dc.OUTPUT_PROBABILITIES].numpy(), dtype=np.float32)

    return predict


def _describe(signatures: Any) -> str:
    return "; ".join(
        f"{name}({', '.join(sorted(signatures[name].structured_input_signature[1]))}) -> "
        f"{', '.join(sorted(signatures[name].structured_outputs))}"
        for name in sorted(signatures)
    )


def _batches(
    files: Sequence[Path], n_targets: int, batch_size: int
) -> Iterator[tuple[tf.Tensor, dict[str, tf.Tensor]]]:
    features = {
        dc.FEATURE_MOLECULE_ID: tf.io.FixedLenFeature([], tf.int64),
        dc.FEATURE_SPLIT_GROUP: tf.io.FixedLenFeature([], tf.int64),
        dc.FEATURE_BINDS: tf.io.FixedLenFeature([n_targets], tf.int64),
    }
    for path in files:
        compression = "GZIP" if path.suffix == ".gz" else ""
        dataset = tf.data.TFRecordDataset(str(path), compression_type=compression).batch(batch_size)
        dataset = dataset.map(lambda batch: (batch, tf.io.parse_example(batch, features))).prefetch(1)
        try:
            yield from dataset
        except (tf.errors.InvalidArgumentError, tf.errors.DataLossError) as error:
            raise BelkaError(
                "Examples cannot be read.",
                received=f"{path}: {str(error).splitlines()[0]}",
                expected=f"whole Examples with {', '.join(features)}, {n_targets} labels each",
                action="Run the step make_dataset again; check that data.targets is what it was run with.",
            ) from error
