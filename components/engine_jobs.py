"""Jobs of Beam on an engine that runs elsewhere: cancelled when their step ends, and failures are told in our words.

A job server knows jobs by their names. A runner names the jobs of a step so that a later attempt of the same step gives
them the same name: it finds what an attempt that was killed left running, and cancels it. The job server of Beam 2.62
counts a job as cancelled at once, while Flink goes on with it until it next fails: on Kubeflow, at the next file of
the step's folder, which is gone.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import apache_beam as beam
import grpc
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc
from apache_beam.runners.portability.portable_runner import TERMINAL_STATES

from belka.beam_flags import flag_value, is_local
from belka.code_version import code_version
from belka.errors import BelkaError, InputError, RunAgainError, told_in

ANSWER_SECONDS: Final = 30.0  # a job server that is there answers within milliseconds
CANCEL_SECONDS: Final = 8.0  # less than a command that was told to end may take
_NAME_OPTION: Final = "beam:option:job_name:v1"


@dataclass(frozen=True)
class JobServer:
    """A Beam job server, and the jobs on it that belong to one step.

    Attributes:
        endpoint: Its address, host:port.
        job_name: Name of the step's jobs; empty = nobody can tell them from others.
    """

    endpoint: str
    job_name: str = ""

    @classmethod
    def of(cls, flags: Sequence[str]) -> "JobServer | None":
        """The job server that takes the pipelines with these flags of Beam's; None where Beam runs in another way."""
        endpoint = None if is_local(flags) else flag_value(flags, "job_endpoint")
        return cls(endpoint, flag_value(flags, "job_name") or "") if endpoint else None

    def cancel_jobs(self) -> list[str]:
        """Cancel the step's jobs that have not ended, and wait until they have, at most `CANCEL_SECONDS`.

        Returns:
            Their ids.

        Raises:
            RunAgainError: The job server does not answer.
        """
        try:
            with grpc.insecure_channel(self.endpoint) as channel:
                service = beam_job_api_pb2_grpc.JobServiceStub(channel)
                found = self._running(service)
                for job_id in found:
                    service.Cancel(beam_job_api_pb2.CancelJobRequest(job_id=job_id), timeout=ANSWER_SECONDS)
                deadline = time.monotonic() + CANCEL_SECONDS
                while found and self._running(service) and time.monotonic() < deadline:
                    time.sleep(0.2)
                return found
        except grpc.RpcError as error:
            raise self.lost(error) from error

    def lost(self, error: Exception) -> RunAgainError:
        """What a user is told when the connection fails.

        Args:
            error: gRPC's.
        """
        said = f"{error.code().name}: {error.details()}" if isinstance(error, grpc.Call) else type(error).__name__
        return RunAgainError(
            "Beam's job server does not answer.",
            received=f"{self.endpoint}: {said}",
            expected="the job server of a running engine at the --job_endpoint of beam.options",
            action="See whether it runs and is reached from here (docs/flink.md), then run the same command again.",
        )

    def _running(self, service: Any) -> list[str]:
        request = beam_job_api_pb2.GetJobsRequest()
        jobs = service.GetJobs(request, timeout=ANSWER_SECONDS, wait_for_ready=True).job_info
        return [job.job_id for job in jobs if job.state not in TERMINAL_STATES and self._is_ours(job)]

    def _is_ours(self, job: Any) -> bool:
        options = job.pipeline_options.fields
        given = options[_NAME_OPTION].string_value if _NAME_OPTION in options else ""
        return bool(self.job_name) and self.job_name in (job.job_name, given)


class EnginePipeline(beam.Pipeline):
    """A pipeline on a remote engine: where its block ends with an error, its job is cancelled, and the error explained.

    Its workers compare their code with that of this process first.

    Args:
        flags: Beam's flags.
        server: The job server that they name.
    """

    def __init__(self, flags: Sequence[str], server: JobServer) -> None:
        super().__init__(argv=list(flags))
        self._server = server

    def __enter__(self) -> Self:
        """Begin the pipeline with the comparison."""
        super().__enter__()
        versions = self | "Code" >> beam.Create([code_version()], reshuffle=False)
        _ = versions | "CodeOfWorkers" >> beam.Map(check_worker)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Run the pipeline to its end, or cancel its job.

        Raises:
            RunAgainError: The job server was lost, or somebody else cancelled the job.
            BelkaError: What a worker raised, such as that it runs other code.
        """
        try:
            super().__exit__(kind, error, trace)
        except BaseException as failure:
            with suppress(BelkaError):
                self._server.cancel_jobs()
            if told := self._explained(failure):
                raise told from failure
            raise

    def _explained(self, failure: BaseException) -> BelkaError | None:
        """A failure in our words, where it is one of the engine and not of what runs on it."""
        if isinstance(failure, grpc.RpcError | grpc.FutureTimeoutError):
            return self._server.lost(failure)
        text = str(failure)
        if "failed in state CANCELLED" in text:
            return RunAgainError(
                "Somebody cancelled the job on the engine.",
                received=text.splitlines()[0],
                action="Run the same command again; the engine's own pages say who did it.",
            )
        return told_in(text)


def check_worker(expected: str) -> None:
    """Compare the code of a worker with that of the step that sends it work.

    Args:
        expected: `belka.code_version.code_version()` of the step.

    Raises:
        InputError: They differ.
    """
    found = code_version()
    if found != expected:
        raise InputError(
            "The workers of the engine run other code than the step that sends them work.",
            received=f"{found}, and the step has {expected}",
            expected="one version of this project and its packages on both sides",
            action="Give the workers the image, or the environment, that the step runs in (docs/flink.md).",
        )
