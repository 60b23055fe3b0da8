"""What goes over the wire around a served model: requests and answers as plain data, whatever server speaks them.

Sources: https://www.tensorflow.org/tfx/serving/api_rest for what TensorFlow Serving takes and gives;
https://kserve.github.io/website/docs/concepts/architecture/data-plane for KServe's protocols v1 and v2.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from belka.contract import FEATURE_BLOCKS, FEATURE_ECFP, OUTPUT_PROBABILITIES, OUTPUT_SPREAD, SMILES
from belka.errors import BelkaError, InputError
from belka.models.folder import ModelFolder
from belka.predict.check import CheckedSmiles
from belka.predict.predictor import Scores, full_signature

INSTANCES: Final = "instances"
PREDICTIONS: Final = "predictions"
SIGNATURE_NAME: Final = "signature_name"
# What stands for an empty cell in a tensor of whole numbers, which has no other way to say it.
EMPTY_NUMBER: Final = -1
_BYTES: Final = "b64"
_SHOWN: Final = 200
_ACTION: Final = "See docs/serving.md for what requests look like."


class Tensor(NamedTuple):
    """A column of answers as protocol v2 has it.

    Attributes:
        name: Of the column.
        kind: FP32, INT32 or BYTES.
        values: [n] float32, int32, or object of str. An empty cell is NaN, EMPTY_NUMBER or "".
    """

    name: str
    kind: str
    values: NDArray[Any]


def read_instances(content: Any, most: int) -> list[str | None]:
    """The SMILES of a request of protocol v1.

    Args:
        content: `{"instances": [...]}`; an instance is a SMILES, or an object with the key `smiles`. What is neither
            is a text that is no SMILES: it fails by itself, not the request.
        most: Molecules that a request may have.

    Raises:
        InputError: The request has no list of instances, or too many.
    """
    instances = content.get(INSTANCES) if isinstance(content, Mapping) else None
    if not isinstance(instances, list):
        raise InputError(
            "The request has no list of instances.",
            received=str(content)[:_SHOWN],
            expected='{"instances": ["SMILES", ...]} or {"instances": [{"smiles": "SMILES"}, ...]}',
            action=_ACTION,
        )
    return checked_size([_text(each.get(SMILES) if isinstance(each, Mapping) else each) for each in instances], most)


def read_tensor(values: Sequence[Any], most: int) -> list[str | None]:
    """The SMILES of the tensor `smiles` of a request of protocol v2.

    Args:
        values: Texts, or their UTF-8.
        most: Molecules that a request may have.

    Raises:
        InputError: There are too many.
    """
    texts = (value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values)
    return checked_size([_text(text) for text in texts], most)


def checked_size(texts: list[str | None], most: int) -> list[str | None]:
    """The texts, where a request may have so many.

    Raises:
        InputError: It may not.
    """
    if len(texts) > most:
        raise InputError(
            "The request has too many molecules.",
            received=f"{len(texts):,}",
            expected=f"at most {most:,}",
            action="Send them in several requests, or use `belka predict`, which reads files of any length.",
        )
    return texts


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def predictor_request(model: ModelFolder, usable: Sequence[CheckedSmiles]) -> dict[str, Any]:
    """The request that TensorFlow Serving answers with the scores of some molecules.

    Args:
        model: The model that it serves.
        usable: The molecules, none with a problem.
    """
    name, inputs = full_signature(model)
    columns = {
        SMILES: [item.smiles for item in usable],
        FEATURE_ECFP: [_binary(item.ecfp) for item in usable],
        FEATURE_BLOCKS: [_binary(item.blocks) for item in usable],
    }
    rows = zip(*(columns[each] for each in inputs), strict=True)
    return {SIGNATURE_NAME: name, INSTANCES: [dict(zip(inputs, row, strict=True)) for row in rows]}


def _binary(value: bytes) -> dict[str, str]:
    return {_BYTES: b64encode(value).decode()}


def read_predictor_request(content: Any) -> tuple[str, dict[str, list[bytes]]]:
    """What `predictor_request` wrote: the signature, and the values of each of its inputs.

    Raises:
        InputError: It is something else.
    """
    try:
        rows = [{name: _read_bytes(value) for name, value in row.items()} for row in content[INSTANCES]]
        names = list(rows[0]) if rows else []
        return str(content[SIGNATURE_NAME]), {name: [row[name] for row in rows] for name in names}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            "The request is none for a predictor.",
            received=f"{type(error).__name__}: {error}; {str(content)[:_SHOWN]}",
            expected='{"signature_name": "features", "instances": [{"smiles": "...", "ecfp": {"b64": "..."}, ...}]}',
            action="Send SMILES to the transformer, which asks the predictor.",
        ) from error


def _read_bytes(value: Any) -> bytes:
    return b64decode(value[_BYTES], validate=True) if isinstance(value, Mapping) else str(value).encode()


def predictor_answer(outputs: Mapping[str, NDArray[np.float32]]) -> dict[str, Any]:
    """The answer of TensorFlow Serving: one object for each row, of every output.

    Args:
        outputs: Name -> [n, ...]; more than one.
    """
    columns = [values.tolist() for values in outputs.values()]
    return {PREDICTIONS: [dict(zip(outputs, row, strict=True)) for row in zip(*columns, strict=True)]}


def read_predictor_answer(model: ModelFolder, answer: Any, rows: int) -> Scores:
    """The scores in what TensorFlow Serving answered.

    Args:
        model: The model that it serves.
        answer: From `predictor_answer`, or a server's like it.
        rows: Molecules that it was asked for.

    Raises:
        BelkaError: It is another answer.
    """
    names = (OUTPUT_PROBABILITIES, OUTPUT_SPREAD)[: 1 + model.is_ensemble]
    shape = (rows, len(model.targets))
    try:
        found = [np.array([row[name] for row in answer[PREDICTIONS]], np.float32).reshape(shape) for name in names]
    except (KeyError, TypeError, ValueError) as error:
        raise BelkaError(
            "The predictor's answer cannot be read.",
            received=f"{type(error).__name__}: {error}; {str(answer)[:_SHOWN]}",
            expected=f"{PREDICTIONS}: {rows} objects with {' and '.join(names)} of {len(model.targets)} numbers",
            action="Look whether it serves what `belka export` wrote.",
        ) from error
    return Scores(*found)


def answer_rows(names: Sequence[str], columns: Sequence[pa.Array]) -> dict[str, Any]:
    """An answer of protocol v1: one object for each molecule, null where a cell is empty.

    Args:
        names: Of the columns.
        columns: As `score_checked` gives them.
    """
    cells = zip(*(column.to_pylist() for column in columns), strict=True)
    return {PREDICTIONS: [dict(zip(names, row, strict=True)) for row in cells]}


def answer_tensors(names: Sequence[str], columns: Sequence[pa.Array]) -> Iterator[Tensor]:
    """An answer of protocol v2: a tensor for each column, see `answer_rows`."""
    for name, column in zip(names, columns, strict=True):
        if pa.types.is_string(column.type):
            yield Tensor(name, "BYTES", np.array(column.to_pylist(), object))
        elif pa.types.is_integer(column.type):
            yield Tensor(name, "INT32", column.fill_null(EMPTY_NUMBER).to_numpy(zero_copy_only=False).astype(np.int32))
        else:
            yield Tensor(name, "FP32", column.to_numpy(zero_copy_only=False).astype(np.float32))
