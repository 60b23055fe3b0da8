"""Score Examples with an exported model, the way BulkInferrer and a server do, and keep the predictions beside the labels."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from components import data_contract as dc
from components.atomic import atomic_path
from components.errors import BelkaError

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
    signature = _load_signature(model_dir)
    schema = predictions_schema(n_targets)
    with atomic_path(predictions_file) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        waiting: list[pa.RecordBatch] = []
        for serialized, columns in _batches(examples_files, n_targets, batch_size):
            probabilities = _predict(signature, serialized, n_targets, model_dir)
            waiting.append(_record_batch(columns, probabilities, schema))
            if sum(batch.num_rows for batch in waiting) >= _ROWS_PER_GROUP:
                writer.write_table(pa.Table.from_batches(waiting))
                waiting.clear()
        writer.write_table(pa.Table.from_batches(waiting, schema=schema))


def _load_signature(model_dir: Path) -> Any:
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
    signature = loaded.signatures.get(dc.SIGNATURE_EXAMPLES)
    if signature is None or dc.OUTPUT_PROBABILITIES not in signature.structured_outputs:
        raise BelkaError(
            "The model has no usable signature for Examples.",
            received=f"{model_dir} with {_describe(loaded.signatures)}",
            expected=f"{dc.SIGNATURE_EXAMPLES!r} with the output {dc.OUTPUT_PROBABILITIES!r}",
            action="Export the model of the stage clf; those of mlm and fps predict no affinities.",
        )
    (argument,) = signature.structured_input_signature[1]

    def predict(serialized: tf.Tensor) -> tf.Tensor:
        return loaded.signatures[dc.SIGNATURE_EXAMPLES](**{argument: serialized})[dc.OUTPUT_PROBABILITIES]

    return predict


def _describe(signatures: Any) -> str:
    return "; ".join(
        f"{name} -> {', '.join(sorted(signatures[name].structured_outputs))}" for name in sorted(signatures)
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


def _predict(signature: Any, serialized: tf.Tensor, n_targets: int, model_dir: Path) -> np.ndarray[Any, Any]:
    probabilities = np.asarray(signature(serialized).numpy(), dtype=np.float32)
    expected = (int(serialized.shape[0]), n_targets)
    if probabilities.shape != expected:
        raise BelkaError(
            "The model predicts for another number of targets.",
            received=f"{model_dir}: probabilities of shape {probabilities.shape}",
            expected=f"shape {expected}: molecules x targets",
            action="Train the model again with the same data.targets.",
        )
    return probabilities


def _record_batch(
    columns: dict[str, tf.Tensor], probabilities: np.ndarray[Any, Any], schema: pa.Schema
) -> pa.RecordBatch:
    n_targets = probabilities.shape[1]
    binds = columns[dc.FEATURE_BINDS].numpy().astype(np.int8)
    arrays: list[pa.Array[Any]] = [
        pa.array(columns[dc.FEATURE_MOLECULE_ID].numpy()),
        pa.array(columns[dc.FEATURE_SPLIT_GROUP].numpy().astype(np.int8)),
        pa.FixedSizeListArray.from_arrays(pa.array(binds.ravel()), n_targets),
        pa.FixedSizeListArray.from_arrays(pa.array(probabilities.ravel()), n_targets),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
