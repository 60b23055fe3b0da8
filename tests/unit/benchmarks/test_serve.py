"""What is measured of a server, on one that answers in this process."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from belka.chemistry.fingerprints import FingerprintSettings
from belka.errors import BelkaError, InputError
from belka.models.champion import Champion, model_digest, write_champion
from belka.predict.predict import LoadedModel
from belka.provenance import Record, write_provenance
from belka.serving.export import find_exported
from benchmarks.kserve_servers import kserve_servers
from benchmarks.serve import measure_serving, product_smiles, serving_table
from benchmarks.served_linear import export_linear

LOADS = ((1, 1, 2), (8, 1, 2), (2, 4, 3))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pushed")
    weights = np.random.default_rng(1).normal(scale=0.3, size=(FingerprintSettings().size, 2)).astype(np.float32)
    model = export_linear(folder / "17", weights, np.zeros(2, np.float32), ("BRD4", "sEH"))
    write_provenance(model, Record(step="pusher", run="17"))
    write_champion(folder, Champion("17", model_digest(model)))
    return folder


@contextmanager
def stand_in(model_dir: Path, off: float = 0.0) -> Iterator[str]:
    """A server that answers both protocols by `belka predict`, and every probability by `off` too much."""
    model = LoadedModel(find_exported(model_dir))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            is_v1 = self.path.startswith("/v1")
            table = model.predict(content["instances"] if is_v1 else content["inputs"][0]["data"])
            columns = {name: [value + off for value in table[name].to_pylist()] for name in table.column_names[1:3]}
            answer: dict[str, Any] = {"outputs": [{"name": name, "data": data} for name, data in columns.items()]}
            if is_v1:
                rows = zip(*columns.values(), strict=True)
                answer = {"predictions": [dict(zip(columns, row, strict=True)) for row in rows]}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    from tests.unit.pipeline.conftest import listening  # collected by the time a test runs

    with listening(Handler) as address:
        yield address


def test_every_way_is_measured_under_every_load(models: Path) -> None:
    rates = measure_serving(models, lambda folder, _: stand_in(folder), LOADS)
    ways = ["belka predict, in process", "v1", "v2"]
    assert [rate.way for rate in rates] == [*ways, *ways, "v1", "v2"]
    assert [(rate.molecules, rate.clients, rate.requests) for rate in rates[::3]] == [(1, 1, 2), (8, 1, 2), (2, 4, 12)]
    for rate in rates:
        assert rate.rate == pytest.approx(rate.molecules * rate.requests / rate.seconds)
        assert 0 < rate.median_ms <= rate.high_ms <= 1e3 * rate.seconds
    assert serving_table(rates, "title").row_count == 8


def test_a_server_with_other_numbers_is_not_measured(models: Path) -> None:
    with pytest.raises(BelkaError, match="other numbers than"):
        measure_serving(models, lambda folder, _: stand_in(folder, 1e-6), LOADS)


def test_molecules_differ() -> None:
    assert len(set(product_smiles(1_024))) == 1_024


def test_without_its_environment_the_server_is_not_started(tmp_path: Path) -> None:
    servers = kserve_servers(tmp_path / "python", tmp_path, tmp_path)
    with pytest.raises(InputError, match=r"no environment with KServe[\s\S]*kserve/.installed"):
        servers.__enter__()
