"""Requests that a server answers before its first client: without them that client waits for the compiler.

Source: tensorflow_serving/apis/prediction_log.proto; a warm-up file is a TFRecord of PredictionLog.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from belka.contract import FEATURE_BLOCKS, FEATURE_ECFP, SIGNATURE_SMILES, SMILES
from belka.demo.blocks import amine_blocks, amino_acid_blocks
from belka.demo.library import enumerate_product
from belka.models.folder import ModelFolder
from belka.predict.check import CheckedSmiles, CheckSettings, SmilesChecker
from belka.predict.predictor import full_signature

WARM_UP_FILE: Final = Path("assets.extra") / "tf_serving_warmup_requests"
MODEL_NAME: Final = "belka"  # that servers know the model by
_BATCHES: Final = (1, 32)  # one molecule, which no compiler sees, and one chunk of the compiled program
_MOLECULES: Final = 32


def write_warm_up(model: ModelFolder, file: Path) -> int:
    """Write a warm-up file: molecules of few and of many tokens, alone and in a batch, by every signature of SMILES.

    Args:
        model: The model.
        file: Receives the records; its folder is made.

    Returns:
        Number of requests.
    """
    import tensorflow as tf

    requests = list(_requests(model))
    file.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for request in requests:
            writer.write(request.SerializeToString())
    return len(requests)


def read_warm_up(version: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The requests of the warm-up file beside a model: the signature, and the values of its inputs.

    Args:
        version: The folder of the served version.
    """
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    for record in tf.data.TFRecordDataset([str(version / WARM_UP_FILE)]).as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        yield request.model_spec.signature_name, {name: tf.make_ndarray(each) for name, each in request.inputs.items()}


def _requests(model: ModelFolder) -> Iterator[Any]:
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    checked = SmilesChecker(CheckSettings.of(model, standardise=False)).check_all(_molecules())
    for size in _BATCHES:
        for signature, inputs in _inputs(model, checked[:size]).items():
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name, request.model_spec.signature_name = MODEL_NAME, signature
            for name, values in inputs.items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(values, tf.string))
            yield log


def _inputs(model: ModelFolder, checked: Sequence[CheckedSmiles]) -> dict[str, dict[str, list[Any]]]:
    """Signature -> input -> values."""
    values: dict[str, list[Any]] = {
        SMILES: [each.smiles for each in checked],
        FEATURE_ECFP: [each.ecfp for each in checked],
        FEATURE_BLOCKS: [each.blocks for each in checked],
    }
    full = full_signature(model)
    return {SIGNATURE_SMILES: {SMILES: values[SMILES]}, full.name: {name: values[name] for name in full.inputs}}


def _molecules() -> list[str]:
    """Molecules of the demo's library, from small blocks to large ones."""
    first, others = amino_acid_blocks(), amine_blocks()
    return [
        enumerate_product(first[i % len(first)], others[i % len(others)], others[(3 * i + 1) % len(others)])
        for i in range(_MOLECULES)
    ]
