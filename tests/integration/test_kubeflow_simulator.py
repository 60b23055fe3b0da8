"""A compiled pipeline through the simulator: the repairs of the pods' entrypoint suffice, and each is needed."""

import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # the toy's components are imported by name, in pods too

from kubeflow_pods import live  # type: ignore[import-not-found]  # noqa: E402 - found through the path above
from kubeflow_toy import DISPLAYS, KILL_ONCE, conditional_pipeline, toy_pipeline  # type: ignore[import-not-found]  # noqa: E402 - as above
from refusing_metadata import refusing_metadata  # type: ignore[import-not-found]  # noqa: E402 - as above

from belka.errors import BelkaError, InputError  # noqa: E402
from belka.provenance import changed_files, read_provenance  # noqa: E402
from pipeline.runners.kubeflow import postprocess  # noqa: E402
from pipeline.runners.kubeflow.compile import CompiledPipeline, compile_pipeline  # noqa: E402
from pipeline.runners.kubeflow.engine import send_to_engine  # noqa: E402
from pipeline.runners.kubeflow.lint import check_spec  # noqa: E402
from pipeline.runners.kubeflow.pipeline_file import container_of, read_pipeline  # noqa: E402
from pipeline.runners.kubeflow.protocol import SHARED_FOLDER_FLAG  # noqa: E402
from pipeline.runners.kubeflow.settings import KubeflowSettings  # noqa: E402
from pipeline.runners.kubeflow.simulator.launcher import RunContainer  # noqa: E402
from pipeline.runners.kubeflow.simulator.retries import Cluster as ClusterKind  # noqa: E402
from pipeline.runners.kubeflow.simulator.run import Simulation, TaskResult, TaskState, simulate  # noqa: E402

IMAGE = "registry.example/belka@sha256:" + "0" * 64
MAKE, COUNT, TRAIN, JUDGE = "make-molecules", "count-molecules", "trainer-clf", "judge"
MakeContainer = Callable[[Mapping[str, str]], RunContainer]


@pytest.fixture(scope="module")
def containers() -> Iterator[MakeContainer]:
    """Makes what runs containers; the mapping names a repair to leave out for each task."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["kubeflow_pods"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))

        def make(without: Mapping[str, str]) -> RunContainer:
            def run(command: Sequence[str], environment: Mapping[str, str], pod: Path, log: Path) -> int:
                repair = next((name for task, name in without.items() if log.name.startswith(task)), "")
                process = context.Process(target=live, args=(command, dict(environment), pod, log, repair))
                process.start()
                process.join()
                assert process.exitcode is not None
                return process.exitcode

            return run

        yield make


class Cluster:
    """A folder that stands for a cluster, and a way to run the toy pipeline on it."""

    def __init__(self, root: Path, containers: MakeContainer) -> None:
        self.root, self.volume, self.package = root, root / "volume", root / "pipeline.yaml"
        self._containers = containers
        (self.volume / "raw").mkdir(parents=True)

    def compile(
        self, *, retries: int = 0, fail_until: int = 0, engine: Sequence[str] = (), is_shared: bool = True
    ) -> None:
        settings = KubeflowSettings.model_validate(
            {"image": IMAGE, "retry": {"retries": retries}, "pipeline_root": "s3://bucket/root"}
        )
        pipeline = toy_pipeline("/mnt/belka/raw", fail_until)
        compiled = compile_pipeline(pipeline, settings, DISPLAYS)
        if engine:
            send_to_engine(compiled.spec, [COUNT], engine, "/mnt/belka/beam")
        if not is_shared:
            arguments = container_of(compiled.spec, COUNT)["args"]
            position = arguments.index(SHARED_FOLDER_FLAG)
            del arguments[position : position + 2]
        compiled.write(self.package)

    kind = ClusterKind.PATCHED
    parameters: Mapping[str, str] = MappingProxyType({})

    def run(self, **without: str) -> dict[str, TaskResult]:
        tasks = {name.replace("_", "-"): repair for name, repair in without.items()}
        simulation = Simulation(
            work_dir=self.root / "work",
            volumes={"belka-data": self.volume},
            run_container=self._containers(tasks),
            cluster=self.kind,
            parameters=self.parameters,
        )
        return {result.name: result for result in simulate(read_pipeline(self.package), simulation)}

    def metadata(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.root / "work" / "metadata.json").read_text(encoding="utf-8"))
        return content


@pytest.fixture
def cluster(tmp_path: Path, containers: MakeContainer) -> Cluster:
    return Cluster(tmp_path, containers)


def test_every_task_succeeds_with_retry_and_a_second_run_is_served_from_the_cache(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a metadata service that refuses every call; all other tests here have none, and a client that raises."""
    cluster.compile(retries=1, fail_until=1)
    with refusing_metadata() as (variables, callers), monkeypatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        first = cluster.run()
    assert callers == []

    assert {name: result.state for name, result in first.items()} == dict.fromkeys(first, TaskState.SUCCEEDED)
    assert (first[MAKE].attempts, first[COUNT].attempts) == (2, 1)
    model = json.loads((first[TRAIN].outputs["model"] / "Format-Serving" / "model.json").read_text(encoding="utf-8"))
    assert model == {"lines": ["MOL0", "MOL1", "MOL2"], "factor": 2}
    evaluation = json.loads((first[JUDGE].outputs["evaluation"] / "evaluation.json").read_text(encoding="utf-8"))
    assert evaluation["value"] == 3.0  # 3 lines x factor 2 x share 0.5
    assert evaluation["total"] == 3

    second = cluster.run()
    assert {name: result.state for name, result in second.items()} == dict.fromkeys(first, TaskState.CACHED)
    assert second[JUDGE].outputs == first[JUDGE].outputs
    assert (cluster.volume / "raw" / "attempts").read_text(encoding="utf-8") == "xx"


@pytest.fixture
def engine(cluster: Cluster) -> Iterator[list[str]]:
    """Beam's flags for an engine whose processes see the volume, and an empty folder in the place of the pods'."""
    (cluster.root / "work").mkdir()
    alone = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*alone, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine gives no mount namespace (unshare --map-root-user --mount)")
    hide = ["sh", "-c", 'mount -t tmpfs hidden "$0" && exec "$@"', str(cluster.root / "work")]
    command = [*alone, *hide, sys.executable, str(HERE / "beam_engine.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        flags: list[str] = json.loads(process.stdout.readline())
        yield flags
        process.kill()


def _counted(results: Mapping[str, TaskResult]) -> list[str]:
    files = results[COUNT].outputs["examples"].rglob("part*")
    return sorted(line for file in files for line in file.read_text(encoding="utf-8").split())


def test_an_engine_elsewhere_reads_and_writes_the_shared_volume(cluster: Cluster, engine: list[str]) -> None:
    cluster.compile(engine=engine)
    results = cluster.run()
    assert _counted(results) == ["MOL0", "MOL1", "MOL2"]
    model = json.loads((results[TRAIN].outputs["model"] / "Format-Serving" / "model.json").read_text(encoding="utf-8"))
    assert model == {"lines": ["MOL0", "MOL1", "MOL2"], "factor": 2}
    assert list((cluster.volume / "beam").iterdir()) == []


def test_without_the_shared_folder_the_pod_receives_nothing(cluster: Cluster, engine: list[str]) -> None:
    """What the workers write lies where they alone see it."""
    cluster.compile(engine=engine, is_shared=False)
    assert _counted(cluster.run()) == []


def test_what_a_killed_pod_left_on_the_volume_is_removed_by_the_next_attempt(
    cluster: Cluster, engine: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.compile(engine=engine, retries=1)
    monkeypatch.setenv(KILL_ONCE, str(cluster.root / "killed"))
    results = cluster.run()
    assert (cluster.root / "killed").exists()
    assert results[COUNT].attempts == 2
    assert _counted(results) == ["MOL0", "MOL1", "MOL2"]
    assert list((cluster.volume / "beam").iterdir()) == []


def test_metrics_and_page_reach_the_types_that_the_pages_draw(cluster: Cluster) -> None:
    cluster.compile()
    judged = cluster.run()[JUDGE]
    assert judged.outputs["report"].read_text(encoding="utf-8") == "<p>toy</p>"
    drawn = next(a["metadata"] for a in cluster.metadata()["artifacts"].values() if a["uri"].endswith("/metrics"))
    assert drawn == {"display_name": "metrics", "value": 3.0, "total": 3.0, "by.target.BRD4": 0.25}


def test_the_store_learns_bucket_uris_only(cluster: Cluster) -> None:
    cluster.compile()
    cluster.run()
    uris = [artifact["uri"] for artifact in cluster.metadata()["artifacts"].values()]
    assert uris
    assert all(uri.startswith("s3://bucket/root/toy/") for uri in uris)


@pytest.mark.parametrize(("cluster_kind", "attempts"), [(ClusterKind.AS_2_17, 1), (ClusterKind.BEFORE_2_17, 2)])
def test_a_failing_container_is_tried_again_by_some_clusters_only(
    cluster: Cluster, cluster_kind: ClusterKind, attempts: int
) -> None:
    cluster.compile(retries=1, fail_until=3)
    cluster.kind = cluster_kind
    with pytest.raises(BelkaError, match=rf"make-molecules failed in {attempts} attempt"):
        cluster.run()


def test_one_artifact_under_two_inputs_is_refused_before_the_pod_starts(cluster: Cluster) -> None:
    cluster.compile()
    documents = list(yaml.safe_load_all(cluster.package.read_text(encoding="utf-8")))
    inputs = documents[0]["root"]["dag"]["tasks"][COUNT]["inputs"]["artifacts"]
    (name, wired), *_ = inputs.items()
    inputs["twice"] = wired
    with pytest.raises(InputError, match=rf"the inputs {name} and twice of 'count-molecules' are one artifact"):
        check_spec(documents[0])
    cluster.package.write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    with pytest.raises(BelkaError, match=rf"driver of count-molecules fails[\s\S]*wired to {name} and twice"):
        cluster.run()
    assert not list((cluster.root / "work" / "logs").rglob(f"{COUNT}-*.log"))


def test_provenance_names_the_bucket_and_the_run(cluster: Cluster) -> None:
    cluster.compile()
    results = cluster.run()
    made, judged = (
        read_provenance(results[task].outputs[key]) for task, key in ((MAKE, "molecules"), (JUDGE, "evaluation"))
    )
    assert made is not None
    assert judged is not None
    root, run, *rest = made.uri.removeprefix("s3://bucket/root/").split("/")
    assert (root, made.run, rest[0], rest[-1]) == ("toy", run, MAKE, "molecules")
    assert [(record.step, record.run) for record in judged.history] == [(TRAIN, run), (JUDGE, run)]
    assert {record.uri.split("/toy/")[0] for record in judged.history} == {"s3://bucket/root"}
    assert judged.inputs[0].digest == judged.upstream[0].digest
    assert judged.upstream[0].settings["custom_config"] == {"factor": 2}
    assert changed_files(results[JUDGE].outputs["evaluation"]) == []


# Without a repair the run must fail with the error that made the repair necessary.
@pytest.mark.parametrize(
    ("task", "repair", "message"),
    [
        (MAKE, "drop_outputs", r"task make-molecules failed[\s\S]*(ImportError|ModuleNotFoundError)[\s\S]*system"),
        (
            COUNT,
            "restore_input_types",
            r"task count-molecules failed[\s\S]*AttributeError: 'NoneType' object has no attribute 'get'",
        ),
        (TRAIN, "map_to_local_paths", r"task trainer-clf failed[\s\S]*File system scheme 's3' not implemented"),
        (MAKE, "make_output_folders", r"task make-molecules failed[\s\S]*FileNotFoundError[\s\S]*molecules.txt"),
        # Nothing is uploaded, silently; the next task finds nothing.
        (MAKE, "restore_uris", r"task count-molecules failed[\s\S]*FileNotFoundError[\s\S]*molecules.txt"),
    ],
)
def test_each_repair_is_needed(cluster: Cluster, task: str, repair: str, message: str) -> None:
    cluster.compile()
    with pytest.raises(BelkaError, match=message):
        cluster.run(**{task: repair})


def test_without_typed_booleans_a_component_receives_an_integer(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postprocess, "type_booleans", lambda *_: None)
    cluster.compile()
    with pytest.raises(BelkaError, match="TypeError: shout is 1, not a boolean"):
        cluster.run()


def test_without_wired_parameters_the_producer_does_not_exist(cluster: Cluster) -> None:
    cluster.compile()
    spec, platform = yaml.safe_load_all(cluster.package.read_text(encoding="utf-8"))
    total = spec["root"]["dag"]["tasks"][JUDGE]["inputs"]["parameters"]["total"]["taskOutputParameter"]
    assert total["producerTask"] == COUNT
    total["producerTask"] = f"{COUNT}_task"  # what TFX writes
    cluster.package.write_text(yaml.safe_dump_all([spec, platform]), encoding="utf-8")
    with pytest.raises(InputError, match="parameter total of judge comes from a task that does not exist"):
        cluster.run()


def test_without_restored_defaults_the_run_lacks_a_value(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postprocess, "restore_defaults", lambda *_: None)
    cluster.compile()
    with pytest.raises(InputError, match=r"wants a value for every parameter[\s\S]*none for share"):
        cluster.run()


def test_a_condition_decides_whether_a_task_and_what_follows_runs(cluster: Cluster) -> None:
    def states(word: str) -> dict[str, TaskState]:
        settings = KubeflowSettings.model_validate({"image": IMAGE})
        compile_pipeline(conditional_pipeline("/mnt/belka/raw", word), settings, {}).write(cluster.package)
        return {name: result.state for name, result in cluster.run().items()}

    assert states("MOL") == dict.fromkeys([MAKE, COUNT, "again"], TaskState.SUCCEEDED)
    assert states("mol") == {MAKE: TaskState.CACHED, COUNT: TaskState.SKIPPED, "again": TaskState.SKIPPED}


def test_without_wired_conditions_the_input_does_not_exist(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def compiled() -> CompiledPipeline:
        settings = KubeflowSettings.model_validate({"image": IMAGE})
        return compile_pipeline(conditional_pipeline("/mnt/belka/raw", "MOL"), settings, {})

    monkeypatch.setattr(postprocess, "wire_conditions", lambda *_: None)
    message = r"the condition of 'count-molecules' names '_make-molecules.molecules', which is no input of it"
    with pytest.raises(InputError, match=message):
        compiled()
    monkeypatch.setattr("pipeline.runners.kubeflow.compile.check_spec", lambda _: None)
    compiled().write(cluster.package)
    with pytest.raises(InputError, match=r"condition cannot be evaluated[\s\S]*KeyError: '_make-molecules.molecules'"):
        cluster.run()


def test_a_run_chooses_a_setting_and_a_wrong_one_is_refused_where_it_arrives(cluster: Cluster) -> None:
    cluster.compile()
    cluster.parameters = {"seed": "7"}
    made = cluster.run()[MAKE].outputs["molecules"]
    assert json.loads((made / "settings.json").read_text(encoding="utf-8")) == {"system": {"seed": 7}}
    cluster.parameters = {"seed": "-7"}
    with pytest.raises(BelkaError, match=r"task make-molecules failed[\s\S]*The run's parameter seed"):
        cluster.run()


def test_a_failing_task_is_named_with_its_log_and_its_own_words(cluster: Cluster) -> None:
    cluster.compile(fail_until=9)
    with pytest.raises(BelkaError, match=r"task make-molecules failed in 1 attempt") as caught:
        cluster.run()
    assert "the toy fails as it was told to" in caught.value.received
    assert "make-molecules-1.log" in caught.value.action
