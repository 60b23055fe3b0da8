"""Serve the model in production with KServe's Python server: `python -m belka.serving.server --model_dir served/belka`.

With `--predictor_host`, which KServe gives to transformers, it turns SMILES into what that predictor reads; without it
is a predictor itself. Needs the packages of requirements-kserve.lock.
"""

import argparse
import sys
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from kserve import Model, ModelServer, PredictorConfig
from kserve.errors import ModelNotFound
from kserve.model_server import app, parser
from kserve.protocol.rest.v1_endpoints import V1Endpoints
from prometheus_client import REGISTRY

from belka.errors import BelkaError
from belka.serving.export import find_exported
from belka.serving.predictor import TensorFlowPredictor
from belka.serving.transformer import ServedCollector, SmilesTransformer
from belka.serving.warm_up import MODEL_NAME

_MOST: Final = 16_384


def _arguments() -> argparse.Namespace:
    """The options of KServe's server, and ours, which are spelled as those are."""
    own = argparse.ArgumentParser(description=__doc__, parents=[parser])
    own.set_defaults(model_name=MODEL_NAME)
    own.add_argument("--model_dir", type=Path, required=True, help="Folder of the model that `belka export` wrote.")
    own.add_argument("--max_molecules", type=int, default=_MOST, help="Molecules that one request may have.")
    own.add_argument("--standardise", action="store_true", help="Score the neutral parent of each molecule.")
    return own.parse_args()


def _model(arguments: argparse.Namespace, version: Path) -> Model:
    if not arguments.predictor_host:
        return TensorFlowPredictor(arguments.model_name, version)
    predictor = PredictorConfig(
        predictor_host=arguments.predictor_host,
        predictor_use_ssl=arguments.predictor_use_ssl,
        predictor_request_timeout_seconds=arguments.predictor_request_timeout_seconds,
    )
    most, standardise = arguments.max_molecules, arguments.standardise
    return SmilesTransformer(arguments.model_name, version, predictor, most=most, standardise=standardise)


def _serve_by_version(server: ModelServer, version: str) -> None:
    """Answer as well where TensorFlow Serving answers for one version of a model."""
    endpoints = V1Endpoints(server.dataplane)

    async def predict(model_name: str, model_version: str, request: Request) -> Any:
        if model_version != version:
            raise ModelNotFound(f"{model_name}/versions/{model_version}")
        return await endpoints.predict(model_name, request)

    path = "/v1/models/{model_name}/versions/{model_version}:predict"
    app.add_api_route(path, predict, methods=["POST"], response_model=None)


def serve(arguments: argparse.Namespace) -> None:
    """Serve until a signal says to end.

    Raises:
        BelkaError: The model cannot be used.
    """
    version = find_exported(arguments.model_dir)
    model = _model(arguments, version)
    if isinstance(model, SmilesTransformer):
        REGISTRY.register(ServedCollector(model))
    server = ModelServer(http_port=arguments.http_port, enable_grpc=arguments.enable_grpc)
    _serve_by_version(server, version.name)
    server.start([model])


def main() -> int:
    """Serve by the options of the command line; the exit code."""
    try:
        serve(_arguments())
    except BelkaError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
