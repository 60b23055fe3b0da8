"""What a simulated pod is handed: paths of volumes in its command and in its environment lie on this machine."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.runners.kubeflow.pipeline_file import TaskSpec
from pipeline.runners.kubeflow.protocol import EXECUTOR_LOGS, STORE_ROOT_VARIABLE
from pipeline.runners.kubeflow.simulator.launcher import Launcher
from pipeline.runners.kubeflow.simulator.metadata import MetadataStore


def test_a_volume_is_found_under_its_mount_path_in_arguments_and_environment(tmp_path: Path) -> None:
    seen: list[tuple[Sequence[str], Mapping[str, str]]] = []

    def run_container(command: Sequence[str], environment: Mapping[str, str], _: Path, log: Path) -> int:
        seen.append((command, environment))
        log.touch()
        return 0

    env = [{"name": "PLACE", "value": '{"output_dir": "/mnt/belka/output"}'}, {"name": "OTHER", "value": "/mnt/belka2"}]
    container = {"command": ["run", "--raw-dir", "/mnt/belka/raw"], "env": env}
    task = TaskSpec("make", {}, {}, container, {"data": "/mnt/belka"})
    logs = {"artifacts": [{"uri": "s3://bucket/logs", "metadata": {}}]}
    outputs = {"artifacts": {EXECUTOR_LOGS: logs}, "parameters": {}, "outputFile": str(tmp_path / "pod" / "out.json")}
    launcher = Launcher(
        tmp_path / "buckets", MetadataStore(tmp_path / "store.json"), {"data": tmp_path / "volume"}, run_container
    )

    launcher.launch(task, {"inputs": {}, "outputs": outputs}, tmp_path / "pod", tmp_path / "log")

    ((command, environment),) = seen
    assert command == ["run", "--raw-dir", f"{tmp_path}/volume/raw"]
    assert environment["PLACE"] == f'{{"output_dir": "{tmp_path}/volume/output"}}'
    assert environment["OTHER"] == "/mnt/belka2"
    assert environment[STORE_ROOT_VARIABLE] == str(tmp_path / "pod")
