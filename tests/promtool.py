"""Prometheus' own checks of metrics and rules."""

import shutil
import subprocess
from pathlib import Path

import pytest


def promtool(*arguments: str, given: str = "", folder: Path | None = None) -> str:
    """What promtool says of what it accepts; skips where there is none.

    Args:
        arguments: Its own.
        given: Its standard input.
        folder: Where it runs.
    """
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is absent; Debian's package prometheus has it")
    done = subprocess.run([program, *arguments], input=given, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
