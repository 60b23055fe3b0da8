"""How Hypothesis runs here: a loaded machine makes no test fail; signals as in a terminal; Prometheus' own checks."""

import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("belka", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# A change is judged by the same examples each time; those of people and of the suite of faults are drawn anew.
settings.register_profile("ci", parent=settings.get_profile("belka"), derandomize=True, database=None)
settings.load_profile("belka")


@pytest.fixture(scope="session", autouse=True)
def signals_as_in_a_terminal() -> None:
    """Whoever starts the tests in the background has them ignore two signals, and what they start as well."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def promtool() -> Callable[..., str]:
    """promtool: arguments, standard input, folder -> what it says of what it accepts; skips where it is absent."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is absent; Debian's package prometheus has it")

    def check(*arguments: str, given: str = "", folder: Path | None = None) -> str:
        done = subprocess.run(
            [program, *arguments], input=given, cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return check
