"""Serving: rate and latency of KServe's server in front of a model, beside `belka predict` in process."""

import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import urllib3
from numpy.typing import NDArray
from rich.table import Table

from belka.contract import probability_name
from belka.demo.blocks import amine_blocks, amino_acid_blocks
from belka.demo.library import enumerate_product
from belka.errors import BelkaError
from belka.predict.predict import LoadedModel
from belka.serving.export import export_champion
from belka.serving.warm_up import MODEL_NAME
from benchmarks.kserve_servers import kserve_servers

# Molecules a request, clients at once, requests of each client.
LOADS: Final = ((1, 1, 32), (32, 1, 16), (1_024, 1, 3), (1, 64, 4), (32, 64, 1))
_TIMEOUT: Final = 300.0

Ask = Callable[[Sequence[str]], NDArray[np.float64]]
Serve = Callable[[Path, Path], AbstractContextManager[str]]


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast one way answers under one load.

    Attributes:
        way: Who answers.
        molecules: Of a request.
        clients: That ask at once.
        requests: Answered in all.
        seconds: Until the last was.
        median_ms: Latency of a request, milliseconds.
        high_ms: 95% of the requests took at most so long.
    """

    way: str
    molecules: int
    clients: int
    requests: int
    seconds: float
    median_ms: float
    high_ms: float

    @property
    def rate(self) -> float:
        """Molecules per second."""
        return self.molecules * self.requests / self.seconds


def measure_serving(models: Path, serve: Serve, loads: Sequence[tuple[int, int, int]] = LOADS) -> list[Rate]:
    """Measure the model in production: in this process, and behind the transformer by both protocols, in turn.

    Args:
        models: Folder of the pushed versions.
        serve: Starts the servers: folder of the exported model, folder for logs -> address of the transformer.
        loads: Molecules a request, clients at once, requests of each client.

    Returns:
        Rates, load by load. In process there is one client only.

    Raises:
        InputError: No model is in production.
        BelkaError: A server does not start or refuses, or its numbers are not those of `belka predict`.
    """
    with tempfile.TemporaryDirectory(prefix="belka-serve-") as scratch:
        exported = export_champion(models, Path(scratch) / "served")
        model = LoadedModel(exported.version)
        with serve(exported.version.parent, Path(scratch)) as address:
            pool = urllib3.PoolManager(maxsize=max(clients for _, clients, _ in loads), block=True, timeout=_TIMEOUT)
            ways: dict[str, Ask] = {
                "belka predict, in process": lambda smiles: _in_process(model, smiles),
                "v1": lambda smiles: _by_v1(pool, address, model.targets, smiles),
                "v2": lambda smiles: _by_v2(pool, address, model.targets, smiles),
            }
            smiles = product_smiles(max(size for size, _, _ in loads))
            for ask in ways.values():
                _compare(model, ask, smiles)
            return [
                _measure(way, ask, smiles[:size], clients, requests)
                for size, clients, requests in loads
                for way, ask in ways.items()
                if clients == 1 or way.startswith("v")
            ]


def product_smiles(count: int) -> list[str]:
    """So many different molecules of the demo's library."""
    first, amines = amino_acid_blocks(), amine_blocks()
    triples = ((a, b, c) for a in first for i, b in enumerate(amines) for c in amines[i:])
    return [enumerate_product(*triple) for triple, _ in zip(triples, range(count), strict=False)]


def _in_process(model: LoadedModel, smiles: Sequence[str]) -> NDArray[np.float64]:
    table = model.predict(smiles)
    return np.stack([table[probability_name(target)].to_numpy() for target in model.targets], axis=1)


def _by_v1(
    pool: urllib3.PoolManager, address: str, targets: Sequence[str], smiles: Sequence[str]
) -> NDArray[np.float64]:
    rows = _post(pool, f"{address}/v1/models/{MODEL_NAME}:predict", {"instances": list(smiles)})["predictions"]
    return np.array([[row[probability_name(target)] for target in targets] for row in rows], np.float64)


def _by_v2(
    pool: urllib3.PoolManager, address: str, targets: Sequence[str], smiles: Sequence[str]
) -> NDArray[np.float64]:
    tensor = {"name": "smiles", "datatype": "BYTES", "shape": [len(smiles)], "data": list(smiles)}
    found = _post(pool, f"{address}/v2/models/{MODEL_NAME}/infer", {"inputs": [tensor]})["outputs"]
    outputs = {each["name"]: each["data"] for each in found}
    return np.stack([np.array(outputs[probability_name(target)], np.float64) for target in targets], axis=1)


def _post(pool: urllib3.PoolManager, address: str, content: Any) -> Any:
    answer = pool.request("POST", address, json=content)
    if answer.status != 200:  # noqa: PLR2004 - HTTP's word for done
        raise BelkaError(
            "The server refuses a request of the benchmark.",
            received=f"{answer.status}: {answer.data.decode(errors='replace')[:500]}",
            expected="200",
            action="Look what it says; the model's signatures may be those of another version.",
        )
    return answer.json()


def _compare(model: LoadedModel, ask: Ask, smiles: Sequence[str]) -> None:
    """Warm up, and hold the answers against those of this process."""
    difference = float(np.abs(ask(smiles) - _in_process(model, smiles)).max())
    if difference > 0:
        raise BelkaError(
            "The served model gives other numbers than `belka predict`.",
            received=f"probabilities of {len(smiles)} molecules that differ by up to {difference:g}",
            expected="equal ones",
            action="Look at the versions of TensorFlow and RDKit in the server's environment.",
        )


def _measure(way: str, ask: Ask, smiles: Sequence[str], clients: int, requests: int) -> Rate:
    def one_client(_: int) -> list[float]:
        taken = []
        for _ in range(requests):
            start = time.perf_counter()
            ask(smiles)
            taken.append(time.perf_counter() - start)
        return taken

    one_client(0)  # compiles this size of a batch, opens connections
    with ThreadPoolExecutor(clients) as pool:
        start = time.perf_counter()
        latencies = np.array([taken for each in pool.map(one_client, range(clients)) for taken in each])
        seconds = time.perf_counter() - start
    median, high = np.quantile(latencies, (0.5, 0.95)) * 1e3
    return Rate(way, len(smiles), clients, len(latencies), seconds, float(median), float(high))


def serving_table(rates: Sequence[Rate], title: str) -> Table:
    """The rates as people read them."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("way", overflow="fold")
    for heading in ("molecules a request", "clients", "requests", "molecules/s", "median ms", "95% ms"):
        table.add_column(heading, justify="right")
    for rate in rates:
        numbers = (f"{rate.molecules:,}", f"{rate.clients}", f"{rate.requests}")
        table.add_row(rate.way, *numbers, f"{rate.rate:,.0f}", f"{rate.median_ms:,.0f}", f"{rate.high_ms:,.0f}")
    return table


def serve_with(python: Path) -> Serve:
    """Start KServe's own server for `measure_serving`.

    Args:
        python: See `kserve_servers`.
    """
    return lambda model_dir, logs: kserve_servers(python, model_dir, logs)
