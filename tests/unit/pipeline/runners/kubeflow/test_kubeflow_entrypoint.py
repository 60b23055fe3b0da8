"""What a pod says when it fails, and that it says so quickly."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from belka.errors import BelkaError, InputError
from belka.interrupts import Terminated
from pipeline.runners.kubeflow import entrypoint


def test_the_termination_message_fits_and_cuts_no_character(tmp_path: Path) -> None:
    target = tmp_path / "termination-log"
    entrypoint.write_termination_message("no pod, no file", target)
    assert not target.exists()
    target.touch()
    entrypoint.write_termination_message("a" + "\N{GREEK SMALL LETTER MU}" * 3000, target)
    assert target.read_text(encoding="utf-8") == "a" + "\N{GREEK SMALL LETTER MU}" * 1999


def test_a_message_that_cannot_be_written_hides_no_error(tmp_path: Path) -> None:
    entrypoint.write_termination_message("reason", tmp_path)  # a folder: writing fails


def test_a_pod_that_is_told_to_end_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stop(*_: object) -> None:
        raise Terminated

    monkeypatch.setattr(entrypoint, "run_component", stop)
    assert entrypoint.main([], {}) == 143
    assert "component failed: The command was stopped by SIGTERM." in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--runner=FnApiRunner"], ["--runner=PortableRunner", "--job_endpoint=a:1"]])
def test_beam_inside_the_pod_gets_its_flags_as_they_are(flags: list[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with entrypoint.sent_to_engine(None, {}, flags) as given:
        assert given == flags
        assert signal.getsignal(signal.SIGTERM) is before


def test_every_attempt_of_a_task_gives_its_jobs_one_name() -> None:
    uri = "minio://mlpipeline/v2/artifacts/belka/RUN_1/bulk-inferrer/5f0c/output_examples"
    task = {"outputs": {"artifacts": {"output_examples": {"artifacts": [{"uri": uri}]}}}}
    flags = ["--runner=PortableRunner", "--job_endpoint=a:1"]
    with entrypoint.sent_to_engine(Path("/volume/beam"), task, flags) as given:
        assert given == [*flags, "--job_name=belka-run-1-bulk-inferrer-5f0c"]


@pytest.mark.parametrize(("error", "code"), [(InputError("wrong"), 2), (BelkaError("failed"), 1), (OSError("disk"), 1)])
def test_the_exit_code_is_that_of_the_error(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(entrypoint, "run_component", fail)
    assert entrypoint.main([], {}) == code
    assert f"component failed: {error if isinstance(error, BelkaError) else 'OSError: disk'}" in capsys.readouterr().err


def test_uris_go_back_whatever_the_executor_left_out() -> None:
    original = {
        "outputs": {
            "artifacts": {"a": {"artifacts": [{"uri": "s3://b/a"}]}, "logs": {"artifacts": [{"uri": "s3://b/l"}]}}
        }
    }
    output = {"artifacts": {"a": {"artifacts": [{"uri": "/s3/b/a", "metadata": {"n": 1}}]}}}
    entrypoint.restore_uris(output, original)
    assert output == {"artifacts": {"a": {"artifacts": [{"uri": "s3://b/a", "metadata": {"n": 1}}]}}}


def test_the_entrypoint_loads_nothing_heavy_before_it_has_read_its_arguments() -> None:
    code = "import json, sys, pipeline.runners.kubeflow.entrypoint; print(json.dumps(sorted(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"tfx", "tensorflow", "apache_beam", "kfp", "pydantic", "numpy"} & set(json.loads(printed))
