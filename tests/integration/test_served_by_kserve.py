"""The exported model behind KServe's own Python server, transformer and predictor (`make test-serving`)."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import urllib3
import yaml

from belka.chemistry.fingerprints import FingerprintSettings
from belka.contract import TRAINING_BLOCKS_FILE
from belka.demo.blocks import amine_blocks, amino_acid_blocks
from belka.demo.library import enumerate_product
from belka.models.champion import Champion, model_digest, write_champion
from belka.predict.predict import LoadedModel
from belka.provenance import Record, write_provenance
from belka.serving.export import Exported, export_champion
from benchmarks.kserve_servers import kserve_server, kserve_servers, server_command, server_environment
from benchmarks.served_linear import export_linear

pytestmark = [pytest.mark.serving, pytest.mark.slow]

REPOSITORY = Path(__file__).parents[2]
PYTHON = REPOSITORY / ".envs" / "kserve" / "bin" / "python"
MANIFEST = REPOSITORY / "k8s" / "overlays" / "kserve" / "inference-service.yaml"
TYPES = Path(__file__).with_name("kserve_types.py")
TARGETS = ("BRD4", "HSA", "sEH")
FIRST, AMINES = amino_acid_blocks(), amine_blocks()
PRODUCTS = [
    enumerate_product(FIRST[i % len(FIRST)], AMINES[i % len(AMINES)], AMINES[(5 * i + 2) % len(AMINES)])
    for i in range(64)
]
# What is scored, what cannot be, and what is no molecule of the library.
MIXED = [PRODUCTS[0], "C1CC", PRODUCTS[1].replace("[Dy]", "[H]"), "", "CC(=O)Nc1ccccc1", "not a molecule", PRODUCTS[2]]
_HTTP = urllib3.PoolManager(maxsize=64, block=True, timeout=120.0, retries=False)


def write_training_blocks(folder: Path, known: list[str]) -> None:
    """What `belka.models.training_blocks` writes, of the blocks of a few molecules."""
    import pyarrow.parquet as pq

    from belka.chemistry.reader import Chemistry, packed_block
    from belka.chemistry.smiles import parse

    chemistry, found = Chemistry(), set[bytes]()
    for smiles in known:
        molecule = parse(smiles.replace("[Dy]", "[H]"))
        assert not isinstance(molecule, str)
        found.update(map(packed_block, chemistry.blocks(molecule)))
    pq.write_table(pa.table({"bits": pa.array(sorted(found), pa.binary(256))}), folder / TRAINING_BLOCKS_FILE)


def export(folder: Path, version: str) -> Exported:
    """An ensemble that reads fingerprints, pushed and exported as the commands do it."""
    generator = np.random.default_rng(int(version))
    weights = generator.normal(scale=0.3, size=(FingerprintSettings().size, len(TARGETS))).astype(np.float32)
    pushed = export_linear(folder / "model" / version, weights, np.array([-1, 0, 1], np.float32), TARGETS, share=0.3)
    write_training_blocks(pushed, PRODUCTS[:2])
    write_provenance(pushed, Record(step="pusher", run=version))
    write_champion(folder / "model", Champion(version, model_digest(pushed)))
    return export_champion(folder / "model", folder / "served")


@dataclass(frozen=True)
class Served:
    """A transformer that answers, and `belka predict` on the same model."""

    address: str
    exported: Exported
    model: LoadedModel

    def post(self, path: str, content: Any) -> tuple[int, Any]:
        answer = _HTTP.request("POST", f"{self.address}{path}", json=content)
        return answer.status, json.loads(answer.data)

    def predict(self, instances: list[Any]) -> list[dict[str, Any]]:
        """By protocol v1."""
        status, answer = self.post("/v1/models/belka:predict", {"instances": instances})
        assert status == 200, answer
        found: list[dict[str, Any]] = answer["predictions"]
        return found

    def infer(self, smiles: list[str], **more: Any) -> dict[str, Any]:
        """By protocol v2: the data of each output."""
        tensor = {"name": "smiles", "datatype": "BYTES", "shape": [len(smiles)], "data": smiles}
        status, answer = self.post("/v2/models/belka/infer", {"inputs": [tensor], **more})
        assert status == 200, answer
        assert (answer["model_name"], answer["model_version"]) == ("belka", self.exported.version.name)
        assert all(each["shape"] == [len(smiles)] for each in answer["outputs"])
        return {each["name"]: each["data"] for each in answer["outputs"]}

    def metrics(self) -> list[str]:
        """Lines of /metrics that are ours."""
        lines = _HTTP.request("GET", f"{self.address}/metrics").data.decode().splitlines()
        return [line for line in lines if "belka_served" in line.partition("{")[0]]

    def counters(self) -> dict[str, float]:
        """What /metrics says of what was served."""
        samples = (line.rsplit(" ", 1) for line in self.metrics() if not line.startswith("#"))
        return {name: float(value) for name, value in samples}


def need_kserve() -> None:
    """Skip where KServe is not installed; where it must be (`make test-serving`), fail."""
    if not PYTHON.is_file():
        absent = pytest.fail if os.environ.get("BELKA_SERVING_ALL") else pytest.skip
        absent("KServe is absent; `make test-serving` installs it")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    need_kserve()
    folder = tmp_path_factory.mktemp("kserve")
    exported = export(folder, "17")
    model = LoadedModel(folder / "model")
    with kserve_servers(PYTHON, exported.version.parent, folder, "--max_molecules=2000") as address:
        yield Served(address, exported, model)


def expected(served: Served, smiles: list[str]) -> list[dict[str, Any]]:
    """What `belka predict` says, without the column of SMILES."""
    rows: list[dict[str, Any]] = served.model.predict(smiles).drop_columns("smiles").to_pylist()
    return rows


def test_v1_gives_what_belka_predict_gives_row_by_row(served: Served) -> None:
    found = served.predict(MIXED)
    assert found == expected(served, MIXED)
    assert [bool(row["problem"]) for row in found] == [False, True, False, True, False, True, False]
    assert len({row["probability_sEH"] for row in found}) > 4
    objects = served.predict([{"smiles": text} for text in MIXED])
    assert objects == found


def test_a_row_that_is_no_text_and_an_empty_request_are_answered(served: Served) -> None:
    first, second = served.predict([None, 5])
    assert (first["problem"], second["problem"]) == ("empty SMILES", "unparsable SMILES")
    assert served.predict([]) == []


def test_v2_gives_the_same_numbers_as_tensors(served: Served) -> None:
    columns, rows = served.infer(MIXED), expected(served, MIXED)
    assert list(columns) == list(rows[0])
    for name, data in columns.items():
        empty = -1 if name in {"unknown_tokens", "new_blocks"} else None
        assert data == [empty if row[name] is None else row[name] for row in rows], name


def test_v2_gives_the_outputs_that_are_asked_for(served: Served) -> None:
    assert list(served.infer(PRODUCTS[:2], outputs=[{"name": "probability_HSA"}])) == ["probability_HSA"]


def test_64_clients_at_once_get_each_its_own(served: Served) -> None:
    rows = expected(served, PRODUCTS)
    with ThreadPoolExecutor(64) as clients:
        found = list(clients.map(lambda text: served.predict([text])[0], PRODUCTS))
    assert [row["probability_BRD4"] for row in found] == pytest.approx(
        [row["probability_BRD4"] for row in rows], abs=1e-6
    )
    assert [row["warning"] for row in found] == [row["warning"] for row in rows]


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        ("/v1/models/belka:predict", {"smiles": ["CCO"]}, "no list of instances"),
        ("/v1/models/belka:predict", {"instances": ["CCO"] * 2001}, "too many molecules"),
        (
            "/v2/models/belka/infer",
            {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1.0]}]},
            "no tensor of SMILES",
        ),
        (
            "/v2/models/belka/infer",
            {"inputs": [{"name": "smiles", "datatype": "BYTES", "shape": [3], "data": ["CCO"]}]},
            "no tensor of SMILES",
        ),
    ],
)
def test_a_wrong_request_is_the_client_s_fault_and_told(path: str, content: Any, said: str, served: Served) -> None:
    status, answer = served.post(path, content)
    assert status == 400
    assert said in answer["error"]


def test_what_is_served_is_counted_by_how_new_it_is(served: Served) -> None:
    before = served.counters()
    served.predict([*PRODUCTS[:2], *PRODUCTS[30:40], "CCO", "C1CC"])
    after = served.counters()
    grown = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    new = [row["new_blocks"] for row in expected(served, PRODUCTS[30:40])]
    name = 'belka_served_molecules_total{{model="belka",new_blocks="{}"}}'.format
    assert grown.pop(name("0")) == 2 + new.count(0)
    assert grown.pop(name("none")) == 1
    assert grown.pop('belka_served_unreadable_total{model="belka"}') == 1
    grown.pop('belka_served_far_blocks_total{model="belka"}', None)
    assert grown == {name(str(n)): new.count(n) for n in {*new} - {0}}
    assert sum(new) > 0


def test_prometheus_reads_the_counters_without_a_complaint(served: Served, promtool: Callable[..., str]) -> None:
    served.predict([*PRODUCTS[:2], "C1CC"])
    assert promtool("check", "metrics", given="\n".join(served.metrics()) + "\n") == ""


def test_a_predictor_of_another_version_gives_no_scores(served: Served, tmp_path: Path) -> None:
    """After an export one of the two may have the new version, and the other the old one."""
    other = export(tmp_path, "18")
    with kserve_server(PYTHON, other.version.parent, tmp_path / "predictor.log") as predictor:
        host = f"--predictor_host={predictor.removeprefix('http://')}"
        with kserve_server(PYTHON, served.exported.version.parent, tmp_path / "transformer.log", host) as address:
            asked = Served(address, served.exported, served.model)
            status, answer = asked.post("/v1/models/belka:predict", {"instances": PRODUCTS[:1]})
    assert status == 503
    assert "no scores of belka/versions/17" in answer["error"]
    assert "restart" in answer["error"]


def read_strictly(manifest: Path) -> subprocess.CompletedProcess[str]:
    need_kserve()
    return subprocess.run([PYTHON, TYPES, manifest], capture_output=True, text=True, check=False)


def test_kserve_s_own_types_take_the_manifest() -> None:
    done = read_strictly(MANIFEST)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("field", "wrong"),
    [("maxReplicas: 4", "maxReplica: 4"), ("maxReplicas: 4", "maxReplicas: many"), ("drop: [ALL]", "dropped: [ALL]")],
)
def test_a_misspelt_field_of_the_manifest_is_found(field: str, wrong: str, tmp_path: Path) -> None:
    text = MANIFEST.read_text(encoding="utf-8")
    assert field in text
    (tmp_path / "wrong.yaml").write_text(text.replace(field, wrong, 1))
    done = read_strictly(tmp_path / "wrong.yaml")
    assert done.returncode == 1, done.stderr
    assert wrong.partition(":")[0] in done.stdout


def test_the_transformer_takes_the_manifest_s_options_and_those_that_kserve_adds() -> None:
    need_kserve()
    (container,) = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))["spec"]["transformer"]["containers"]
    added = ["--model_name", "belka", "--predictor_host", "belka-predictor.belka", "--http_port", "8080"]
    words = [*container["args"], *added, "--model_dir=/not/there"]
    done = subprocess.run(
        server_command(PYTHON, *words), env=server_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "not one version to serve" in done.stderr, "it has understood its options"
    assert "usage:" not in done.stderr
