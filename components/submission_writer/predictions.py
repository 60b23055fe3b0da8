"""Read what BulkInferrer wrote: Examples with the raw row ids and one probability per target."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from belka import contract as dc
from belka.errors import BelkaError

FILE_PATTERN: Final = "examples*"
_BATCH: Final = 8_192


def prediction_files(predictions_dir: Path) -> list[Path]:
    """List the TFRecord files of one split of BulkInferrer's `output_examples`.

    Args:
        predictions_dir: Folder of the split.

    Returns:
        The files, sorted; hidden (unfinished) ones are left out by the pattern.

    Raises:
        BelkaError: There is none.
    """
    files = sorted(path for path in predictions_dir.glob(FILE_PATTERN) if path.is_file())
    if not files:
        raise BelkaError(
            "There are no predictions.",
            received=f"no file {predictions_dir / FILE_PATTERN}",
            expected="the output_examples of BulkInferrer for the test split",
            action="Run the inference step again; it writes nothing when its model was not blessed.",
        )
    return files


def read_predictions(
    files: Sequence[Path], *, n_targets: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Stream the predictions of the (molecule, target) pairs that the raw test file asks for.

    Args:
        files: TFRecord files of tf.train.Example, GZIP if their name ends with .gz.
        n_targets: Number of targets; each Example holds so many ids and probabilities.

    Yields:
        Raw row ids, int64 [n], and their probabilities, float32 [n], unchecked. Pairs without a row (id -1) are left out.

    Raises:
        BelkaError: A file is damaged, or an Example has no ids or probabilities of that length.
    """
    features = {
        dc.FEATURE_IDS: tf.io.FixedLenFeature([n_targets], tf.int64),
        dc.OUTPUT_PROBABILITIES: tf.io.FixedLenFeature([n_targets], tf.float32),
    }
    for path in files:
        compression = "GZIP" if path.suffix == ".gz" else ""
        dataset = tf.data.TFRecordDataset(str(path), compression_type=compression).batch(_BATCH)
        parsed = dataset.map(lambda batch: tf.io.parse_example(batch, features)).as_numpy_iterator()
        try:
            for batch in parsed:
                ids = batch[dc.FEATURE_IDS].ravel()
                present = ids != dc.ABSENT_ID
                yield ids[present], batch[dc.OUTPUT_PROBABILITIES].ravel()[present]
        except (tf.errors.InvalidArgumentError, tf.errors.DataLossError) as error:
            raise BelkaError(
                "The predictions cannot be read.",
                received=f"{path}: {str(error).splitlines()[0]}",
                expected=f"whole Examples with {n_targets} values each in {dc.FEATURE_IDS!r} and {dc.OUTPUT_PROBABILITIES!r}",
                action="Run the inference step again; check that data.targets is what the model was trained with.",
            ) from error
