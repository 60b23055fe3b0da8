"""Jobs on an engine elsewhere: what is left of an attempt is cancelled, and failures say what to do."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import apache_beam as beam
import grpc
import pytest
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

from belka.beam_flags import with_job_name
from belka.code_version import code_version
from belka.errors import InputError, RunAgainError
from components import engine_jobs
from components.engine_jobs import EnginePipeline, JobServer, check_worker

RUNNING = beam_job_api_pb2.JobState.RUNNING
CANCELLED = beam_job_api_pb2.JobState.CANCELLED
released = threading.Event()  # workers are threads of this process


def _hold(element: int) -> int:
    released.wait(60)
    return element


def _server(flags: list[str]) -> JobServer:
    server = JobServer.of(flags)
    assert server is not None
    return server


def _pipeline(flags: list[str]) -> EnginePipeline:
    return EnginePipeline(flags, _server(flags))


def _states(flags: list[str]) -> dict[str, Any]:
    with grpc.insecure_channel(_server(flags).endpoint) as channel:
        service = beam_job_api_pb2_grpc.JobServiceStub(channel)
        jobs = service.GetJobs(beam_job_api_pb2.GetJobsRequest()).job_info
    return {job.job_id: job.state for job in jobs}


@contextmanager
def _job_at_work(flags: list[str]) -> Iterator[str]:
    """A job that an attempt has left behind, at work on the engine."""
    released.clear()
    before = set(_states(flags))
    pipeline = beam.Pipeline(argv=flags)
    _ = pipeline | beam.Create([1], reshuffle=False) | beam.Map(_hold)
    result = pipeline.run()
    deadline = time.monotonic() + 30
    while _states(flags).get(result._job_id) != RUNNING and time.monotonic() < deadline:
        time.sleep(0.05)
    (job,) = set(_states(flags)) - before
    try:
        yield job
    finally:
        released.set()


def test_a_pipeline_runs_on_the_engine_and_leaves_nothing_at_work(engine_flags: list[str], tmp_path: Any) -> None:
    flags = with_job_name(engine_flags, "whole")
    with _pipeline(flags) as pipeline:
        _ = pipeline | beam.Create(["a"], reshuffle=False) | beam.io.WriteToText(str(tmp_path / "part"))
    (written,) = tmp_path.glob("part*")
    assert written.read_text(encoding="utf-8") == "a\n"
    assert _server(flags).cancel_jobs() == []


def test_what_an_earlier_attempt_left_at_work_is_cancelled_and_others_jobs_are_not(engine_flags: list[str]) -> None:
    flags = with_job_name(engine_flags, "run", "left")
    with _job_at_work(flags) as job:
        for other in (with_job_name(engine_flags, "run", "other"), engine_flags):
            assert _server(other).cancel_jobs() == []
        assert _states(flags)[job] == RUNNING
        assert _server(flags).cancel_jobs() == [job]
        assert _states(flags)[job] == CANCELLED
        assert _server(flags).cancel_jobs() == []


def test_a_step_that_is_stopped_cancels_its_job(engine_flags: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    flags = with_job_name(engine_flags, "stopped")
    released.clear()

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("apache_beam.runners.portability.portable_runner.PipelineResult.wait_until_finish", stop)
    before = set(_states(flags))
    try:
        with pytest.raises(KeyboardInterrupt), _pipeline(flags) as pipeline:
            _ = pipeline | beam.Create([1], reshuffle=False) | beam.Map(_hold)
        (job,) = set(_states(flags)) - before
        assert _states(flags)[job] == CANCELLED
    finally:
        released.set()


def test_a_job_that_somebody_cancelled_may_be_run_again(engine_flags: list[str]) -> None:
    flags = with_job_name(engine_flags, "cancelled")
    released.clear()
    server = _server(flags)

    def cancel() -> None:
        deadline = time.monotonic() + 30
        while not server.cancel_jobs() and time.monotonic() < deadline:
            time.sleep(0.1)
        released.set()

    other = threading.Thread(target=cancel)
    other.start()
    with pytest.raises(RunAgainError, match="Somebody cancelled the job"), _pipeline(flags) as pipeline:
        _ = pipeline | beam.Create([1], reshuffle=False) | beam.Map(_hold)
    other.join()


def test_a_job_server_that_is_not_there_is_named(closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_jobs, "ANSWER_SECONDS", 0.5)
    with pytest.raises(RunAgainError, match=rf"job server does not answer[\s\S]*localhost:{closed_port}") as caught:
        JobServer(f"localhost:{closed_port}", "belka").cancel_jobs()
    assert caught.value.exit_code == 75


def test_workers_with_other_code_are_refused(engine_flags: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    check_worker(code_version())
    # The workers, threads of this process, find a version of their own.
    versions = iter(["the step's"])
    monkeypatch.setattr(engine_jobs, "code_version", lambda: next(versions, "the image's"))
    with pytest.raises(InputError, match=r"workers of the engine run other code") as caught:  # noqa: SIM117
        with _pipeline(with_job_name(engine_flags, "unfit")):
            pass
    assert "the image's" in caught.value.received
    assert "the step's" in caught.value.received
