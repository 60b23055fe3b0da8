"""Two workers of which one ends, dies, comes back alone or never comes: told, resumed, or ended as a whole."""

import json
import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from belka.errors import RunAgainError
from trainer_module.loop import workers
from trainer_module.loop.workers import _call, _wait_for_call, count_workers, join_workers

if TYPE_CHECKING:
    from tests.unit.trainer_module.loop.conftest import Process, Trainings

EVERY_STEP: dict[str, Any] = {"modes": ("mlm", "fps"), "epochs": 3, "checkpoint_every_steps": 1}
GONE = "Another worker is gone, and the training cannot go on without it."


def wait_until(true: Callable[[], object], *processes: "Process") -> None:
    while not true():
        assert all(process.poll() is None for process in processes)
        time.sleep(0.1)


def test_workers_are_those_of_both_jobs() -> None:
    assert count_workers("{}") == 0
    assert count_workers(json.dumps({"cluster": {"worker": ["a:1", "b:1"], "ps": ["c:1"]}})) == 2
    assert count_workers(json.dumps({"cluster": {"chief": ["a:1"], "worker": ["b:1"]}})) == 2


@pytest.mark.parametrize(("index", "received"), [(0, "did not answer"), (1, "no call from worker 0")])
def test_who_waits_for_the_others_in_vain_ends(
    trainings: "Trainings", monkeypatch: pytest.MonkeyPatch, index: int, received: str
) -> None:
    monkeypatch.setattr(workers, "WAIT_SECONDS", 0.1)
    with pytest.raises(RunAgainError, match=rf"{GONE}(.|\n)*{received}") as error:
        join_workers(trainings.tf_configs()[index])
    assert error.value.exit_code == 75


def test_a_door_of_something_else_is_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "WAIT_SECONDS", 0.1)
    with socket.create_server(("localhost", 0)) as server:
        address = f"localhost:{server.getsockname()[1]}"
        answer = threading.Thread(target=lambda: server.accept()[0].sendall(b"PRI * HTTP/2.0"))
        answer.start()
        with pytest.raises(RunAgainError, match="did not answer"):
            _call([address])
        answer.join()


def test_a_chief_calls_and_a_worker_answers(trainings: "Trainings", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "WAIT_SECONDS", 30)
    address = json.loads(trainings.tf_configs()[0])["cluster"]["worker"][1]
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(_wait_for_call, address)
        _call([address])
        waiting.result()


@pytest.mark.parametrize("waiting", [0, 1])
def test_a_worker_that_dies_right_after_the_call_is_not_waited_for_without_end(
    trainings: "Trainings", waiting: int
) -> None:
    configs = trainings.tf_configs()
    process = trainings.start_worker(waiting, configs, wait=5.0)
    address = json.loads(configs[0])["cluster"]["worker"][1]
    if waiting == 0:
        _wait_for_call(address)
    else:
        _call([address])
    _, errors = process.communicate(timeout=120)
    assert GONE in errors
    assert process.returncode == 75


@pytest.mark.slow
def test_workers_that_were_started_for_different_trainings_are_refused(trainings: "Trainings") -> None:
    both = trainings.start_workers(of_one={"learning_rate": 0.002})
    errors = [worker.communicate(timeout=600)[1] for worker in both]
    assert "The workers were not started for the same training." in errors[1]
    assert both[1].returncode == 2
    assert both[0].returncode, "worker 0 does not train alone"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("killed", [0, 1])
def test_a_worker_that_is_started_again_alone_ends_and_a_restart_of_both_goes_on(
    trainings: "Trainings", killed: int
) -> None:
    undisturbed = trainings.finish(trainings.start("one", **EVERY_STEP))
    configs = trainings.tf_configs()
    both = [trainings.start_worker(i, configs, **EVERY_STEP) for i in range(2)]
    wait_until(lambda: list(trainings.folder.glob("worker-0/fps-*/step-*")), *both)
    both[killed].kill()
    both[killed].communicate()
    again = trainings.start_worker(killed, configs, wait=15, **EVERY_STEP)
    errors = [process.communicate(timeout=600)[1] for process in (both[1 - killed], again)]
    assert GONE in errors[1]
    assert again.returncode == 75
    # Without worker 0, which keeps the list of workers, TensorFlow may end the process of the others by itself.
    assert both[1 - killed].returncode == 75 or (killed == 0 and both[1].returncode == -signal.SIGABRT)
    first, second = map(trainings.finish, trainings.start_workers(**EVERY_STEP))
    assert first["stages"] == second["stages"]
    assert "Continuing at epoch" in trainings.log("worker-1")
    trainings.assert_equal_training(undisturbed, first, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("killed", [0, 1])
def test_a_worker_that_comes_back_while_the_other_is_busy_is_not_taken_for_the_lost_one(
    trainings: "Trainings", killed: int
) -> None:
    configs = trainings.tf_configs()
    settings: dict[str, Any] = {**EVERY_STEP, "modes": ("mlm",), "wait": 30}
    busy = trainings.start_worker(1 - killed, configs, pause=("mlm", 5, 60.0), **settings)
    lost = trainings.start_worker(killed, configs, **settings)
    wait_until(lambda: "Held up" in trainings.log(f"worker-{1 - killed}"), busy, lost)
    lost.kill()
    lost.communicate()
    again = trainings.start_worker(killed, configs, **settings)
    errors = [process.communicate(timeout=600)[1] for process in (again, busy)]
    assert GONE in errors[0]
    assert again.returncode == 75
    assert busy.returncode == 75 or (killed == 0 and busy.returncode == -signal.SIGABRT)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("slow", [0, 1])
def test_none_ends_before_all_have_exported(trainings: "Trainings", transform_graph: Path, slow: int) -> None:
    settings: dict[str, Any] = {"modes": ("mlm",), "epochs": 1, "transform_graph": transform_graph}
    configs = trainings.tf_configs()
    both = [trainings.start_worker(i, configs, slow_export=20.0 * (i == slow), **settings) for i in range(2)]
    wait_until(lambda: "Exported." in trainings.log(f"worker-{1 - slow}"), *both)
    wait_until(lambda: "Exported." in trainings.log(f"worker-{slow}"), *both)
    first, second = map(trainings.finish, both)
    assert first["stages"] == second["stages"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("killed", [0, 1])
def test_after_a_death_in_the_last_export_both_end_and_a_restart_exports(
    trainings: "Trainings", transform_graph: Path, killed: int
) -> None:
    settings: dict[str, Any] = {"modes": ("mlm",), "epochs": 1, "transform_graph": transform_graph}
    configs = trainings.tf_configs()
    both = [trainings.start_worker(i, configs, slow_export=60.0 * (i == killed), **settings) for i in range(2)]
    wait_until(lambda: "Exported." in trainings.log(f"worker-{1 - killed}"), *both)
    both[killed].kill()
    other = both[1 - killed]
    _, errors = other.communicate(timeout=600)
    assert (other.returncode == 75 and GONE in errors) or (killed == 0 and other.returncode == -signal.SIGABRT)
    assert not (trainings.folder / f"worker-{killed}" / "mlm" / "model" / "belka.json").exists()
    first, second = map(trainings.finish, trainings.start_workers(**settings))
    assert first["stages"] == second["stages"]
