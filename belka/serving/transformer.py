"""KServe's transformer of the model in production: SMILES come in, probabilities with names go out, a predictor scores.

Needs the packages of requirements-kserve.lock. The chemistry is that of `belka predict`, in this process.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferOutput, InferRequest, InferResponse, Model, PredictorConfig, RESTConfig
from kserve.errors import InvalidInput, ModelNotReady
from kserve.utils.utils import generate_uuid
from numpy.typing import NDArray
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from belka.contract import SMILES
from belka.errors import InputError
from belka.models.folder import open_model_folder
from belka.predict.check import CheckedSmiles, CheckSettings, SmilesChecker
from belka.predict.predictor import Scores, result_columns, scored_columns, usable
from belka.serving.drift import HELP, ServedCounts
from belka.serving.gather import Gatherer
from belka.serving.wire import (
    answer_rows,
    answer_tensors,
    predictor_request,
    read_instances,
    read_predictor_answer,
    read_tensor,
)

_TOGETHER: Final = 1_024  # molecules of several requests that the predictor is asked for at once
_CHECKED: Final = 256  # molecules of one request that are checked before those of another have their turn
_HEADERS: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Asked:
    """A request on its way.

    Attributes:
        request: Of protocol v2; None = of v1.
        checked: Its molecules.
        scores: Of those that can be scored, once the predictor has answered.
    """

    request: InferRequest | None
    checked: list[CheckedSmiles]
    scores: Scores | None = None


class SmilesTransformer(Model):
    """Turns raw SMILES into what the model's full signature reads, and its outputs into named columns.

    Args:
        name: That the predictor knows the model by.
        version: The folder of the served version, as `belka export` wrote it; it needs no TensorFlow.
        predictor: Where the predictor is. It is asked for this very version: one that serves another refuses.
        most: Molecules that one request may have.
        standardise: Whether the neutral parent of a molecule is scored, as `belka predict --standardise` does.

    Attributes:
        counts: What was served.

    Raises:
        InputError: The folder holds no model that predicts affinities.
    """

    def __init__(
        self, name: str, version: Path, predictor: PredictorConfig, *, most: int, standardise: bool = False
    ) -> None:
        super().__init__(name)
        self._folder, self._most = open_model_folder(version), most
        settings = CheckSettings.of(self._folder, standardise=standardise)
        self._checker = SmilesChecker(settings)
        self._columns = [field.name for field in result_columns(self._folder)]
        self._client = InferenceRESTClient(RESTConfig(timeout=predictor.timeout))
        self._predictor, self._asked = predictor.predictor_base_url, f"{name}/versions/{version.name}"
        self._thread = ThreadPoolExecutor(max_workers=1)  # the caches of the chemistry are for one
        self._score = Gatherer(self._ask, most=_TOGETHER)
        self.counts = ServedCounts(compared=settings.training_blocks is not None)
        self.ready = True

    async def preprocess(
        self, payload: Mapping[str, Any] | InferRequest, _headers: Mapping[str, str] | None = None
    ) -> Asked:
        """Read and check the SMILES of a request of either protocol."""
        request = payload if isinstance(payload, InferRequest) else None
        try:
            texts = read_instances(payload, self._most) if request is None else self._read_tensor(request)
        except InputError as error:
            raise InvalidInput(str(error)) from error
        loop, checked = asyncio.get_running_loop(), list[CheckedSmiles]()
        for start in range(0, len(texts), _CHECKED):
            part = texts[start : start + _CHECKED]
            checked += await loop.run_in_executor(self._thread, self._checker.check_all, part)
        self.counts.add(checked)
        return Asked(request, checked)

    async def predict(
        self,
        payload: Asked,
        _headers: Mapping[str, str] | None = None,
        _response_headers: dict[str, str] | None = None,
    ) -> Asked:
        """Have the predictor score what can be scored."""
        items = usable(payload.checked)
        none = np.empty((0, 1 + self._folder.is_ensemble, len(self._folder.targets)), np.float32)
        rows = np.stack(await self._score(items)) if items else none
        return replace(payload, scores=Scores(*rows.swapaxes(0, 1)))

    async def postprocess(
        self, result: Asked, _headers: Mapping[str, str] | None = None, _response_headers: dict[str, str] | None = None
    ) -> dict[str, Any] | InferResponse:
        """Answer in the request's protocol."""
        assert result.scores is not None
        columns = scored_columns(result.checked, result.scores)
        request = result.request
        if request is None:
            return answer_rows(self._columns, columns)
        outputs = [
            InferOutput(each.name, [len(result.checked)], each.kind, each.values)
            for each in answer_tensors(self._columns, columns)
        ]
        return InferResponse(
            request.id or generate_uuid(),
            self.name,
            outputs,
            model_version=self._folder.path.name,
            use_binary_outputs=request.use_binary_outputs,
            requested_outputs=request.request_outputs,
        )

    def _read_tensor(self, request: InferRequest) -> list[str | None]:
        found = {each.name: each for each in request.inputs if each.datatype == "BYTES"}.get(SMILES)
        try:
            values = None if found is None else found.as_numpy().reshape(-1).tolist()
        except (ValueError, TypeError):  # of another number than the shape says
            values = None
        if values is None:
            raise InputError(
                "The request has no tensor of SMILES.",
                received=", ".join(f"{each.name} {each.datatype} {each.shape}" for each in request.inputs),
                expected='{"name": "smiles", "datatype": "BYTES", "shape": [n], "data": [n SMILES]}',
                action="Send the SMILES under this name, as many as the shape says.",
            )
        return read_tensor(values, self._most)

    async def _ask(self, items: Sequence[CheckedSmiles]) -> list[NDArray[np.float32]]:
        """Float32 [1 or 2, n_targets] of each molecule: probabilities, and the spread of an ensemble."""
        try:
            request = predictor_request(self._folder, items)
            answer = await self._client.infer(self._predictor, request, model_name=self._asked, headers=_HEADERS)
        except httpx.HTTPError as error:
            told = f"{type(error).__name__} {error}".strip()
            hint = "After `belka export`, restart the predictor and the transformer."
            raise ModelNotReady(self.name, f"The predictor gave no scores of {self._asked}: {told}. {hint}") from error
        scores = read_predictor_answer(self._folder, answer, len(items))
        return list(np.stack([found for found in scores if found is not None], axis=1))


class ServedCollector(Collector):
    """Shows what a transformer served at the server's /metrics.

    Args:
        model: The transformer.
    """

    def __init__(self, model: SmilesTransformer) -> None:
        self._model = model

    def collect(self) -> Iterator[CounterMetricFamily]:
        """The counters as they are now."""
        samples = list(self._model.counts.samples())
        for name, text in HELP.items():
            own = [sample for sample in samples if sample.name == name]
            family = CounterMetricFamily(name, text, labels=["model", *own[0].labels])
            for sample in own:
                family.add_metric([self._model.name, *sample.labels.values()], sample.value)
            yield family
