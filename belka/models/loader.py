"""Load an exported model: the one place that opens SavedModels to score with them."""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from belka.contract import DESCRIPTION_FILE, OUTPUT_PROBABILITIES
from belka.errors import BelkaError, InputError
from belka.models.operations import check_model

_LONGEST: Final = 300  # characters of what a graph says


class Signature:
    """One signature of an exported model, in memory.

    Args:
        model_dir: The SavedModel.
        name: Name of the signature.
        inputs: Names of its inputs; None = it has one input, whatever its name.
        outputs: Names of the outputs it must have, the first of them for a call.

    Raises:
        InputError: The model holds operations that models do not have, see `belka.models.operations`.
        BelkaError: TensorFlow cannot load the model, or it has no such signature with these inputs and outputs.
    """

    def __init__(
        self,
        model_dir: Path,
        name: str,
        inputs: tuple[str, ...] | None = None,
        outputs: tuple[str, ...] = (OUTPUT_PROBABILITIES,),
    ) -> None:
        self._model_dir = model_dir
        # A signature holds its variables by weak references only: the loaded object must stay.
        self._loaded = load_saved_model(model_dir)
        signature = self._loaded.signatures.get(name)
        found = [] if signature is None else sorted(signature.structured_input_signature[1])
        fits = len(found) == 1 if inputs is None else found == sorted(inputs)
        if signature is None or not fits or set(outputs) - set(signature.structured_outputs):
            raise BelkaError(
                f"The model has no usable signature {name!r}.",
                received=f"{model_dir} with {_described(self._loaded.signatures)}",
                expected=f"{name!r} of {' and '.join(inputs or ['one input'])} -> {' and '.join(map(repr, outputs))}",
                action="Export the model of the stage clf with this version; other stages predict no affinities.",
            )
        self._signature, self._inputs, self._outputs = signature, inputs or tuple(found), outputs

    def __call__(self, *values: Any) -> NDArray[np.float32]:
        """Score a batch.

        Args:
            values: A string tensor [batch], or a list of as many texts or bytes, for each input.

        Returns:
            The first output, float32 [batch, n_targets].
        """
        return self.outputs(*values)[0]

    def outputs(self, *values: Any) -> tuple[NDArray[np.float32], ...]:
        """All outputs asked for, each float32 [batch, n_targets]; see `__call__`."""
        import tensorflow as tf

        tensors = (tf.convert_to_tensor(value, tf.string) for value in values)
        try:
            outputs = self._signature(**dict(zip(self._inputs, tensors, strict=True)))
        except tf.errors.InvalidArgumentError as error:
            raise InputError(
                "The model refuses what it is asked: it and its description do not fit.",
                received=f"{self._model_dir}: {_said(str(error))}",
                expected=f"the {DESCRIPTION_FILE} that was exported with the model",
                action="Copy the model again, or give another version.",
            ) from error
        return tuple(np.asarray(outputs[name].numpy(), dtype=np.float32) for name in self._outputs)


def load_saved_model(model_dir: Path) -> Any:
    """Load a SavedModel whose operations and digests are as they should be.

    Raises:
        InputError: It holds operations that models do not have, or is damaged.
        BelkaError: TensorFlow cannot load it.
    """
    import tensorflow as tf

    check_model(model_dir)
    try:
        return tf.saved_model.load(str(model_dir))
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise BelkaError(
            "The model cannot be loaded.",
            received=f"{model_dir}: {str(error).splitlines()[0]}",
            expected="a whole SavedModel as the trainer exports it",
            action="Copy the model again, give another version, or run the training step again.",
        ) from error


def _said(text: str) -> str:
    """What an assertion of the graph says, of TensorFlow's many lines; the first where none does."""
    lines = text.splitlines()
    return next((line for line in lines if line.startswith("assertion failed")), lines[0] if lines else "")[:_LONGEST]


def _described(signatures: Any) -> str:
    return "; ".join(
        f"{name}({', '.join(sorted(signatures[name].structured_input_signature[1]))}) -> "
        f"{', '.join(sorted(signatures[name].structured_outputs))}"
        for name in sorted(signatures)
    )
