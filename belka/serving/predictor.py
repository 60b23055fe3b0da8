"""KServe's predictor by plain TensorFlow, for where no TensorFlow Serving is: it takes the same requests over REST.

Needs the packages of requirements-kserve.lock.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from kserve import Model
from kserve.errors import InvalidInput
from numpy.typing import NDArray

from belka.errors import InputError
from belka.models.loader import load_saved_model
from belka.serving.warm_up import read_warm_up
from belka.serving.wire import PREDICTIONS, predictor_answer, read_predictor_request


class TensorFlowPredictor(Model):
    """Runs the signatures of a SavedModel.

    Args:
        name: That its clients know the model by.
        version: The folder of the served version, as `belka export` wrote it.

    Raises:
        InputError: It holds operations that models do not have, or is damaged.
        BelkaError: TensorFlow cannot load it.
    """

    def __init__(self, name: str, version: Path) -> None:
        super().__init__(name)
        self._loaded = load_saved_model(version)  # signatures hold their variables by weak references only
        self._thread = ThreadPoolExecutor(max_workers=1)  # TensorFlow itself uses all cores for one batch
        for signature, inputs in read_warm_up(version):
            self._run(signature, inputs)
        self.ready = True

    async def predict(
        self,
        payload: Mapping[str, Any],
        _headers: Mapping[str, str] | None = None,
        _response_headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """Answer as TensorFlow Serving does."""
        try:
            signature, inputs = read_predictor_request(payload)
        except InputError as error:
            raise InvalidInput(str(error)) from error
        if not inputs:
            return {PREDICTIONS: []}
        loop = asyncio.get_running_loop()
        return predictor_answer(await loop.run_in_executor(self._thread, self._run, signature, inputs))

    def _run(self, name: str, inputs: Mapping[str, Any]) -> dict[str, NDArray[np.float32]]:
        import tensorflow as tf

        signature = self._loaded.signatures.get(name)
        wanted = [] if signature is None else sorted(signature.structured_input_signature[1])
        if signature is None or wanted != sorted(inputs):
            found = f"{name!r} of {', '.join(sorted(inputs))}"
            raise InvalidInput(f"The model has no signature {found}; it has {', '.join(self._loaded.signatures)}.")
        outputs = signature(**{key: tf.convert_to_tensor(values, tf.string) for key, values in inputs.items()})
        return {key: values.numpy() for key, values in outputs.items()}
