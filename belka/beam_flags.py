"""Beam's flags: those of pipelines on this machine, and how any are read. Beam itself is not imported."""

import re
from collections.abc import Sequence
from typing import Final

LOCAL_RUNNER: Final = "--runner=FnApiRunner"  # A plain DirectRunner would first try to download Prism.
IN_THIS_PROCESS: Final = (LOCAL_RUNNER, "--direct_running_mode=in_memory")
WORKERS_FLAG: Final = "--direct_num_workers="
JOB_SERVER_RUNNER: Final = "PortableRunner"  # the runner of whatever engine stands behind a Beam job server


def local_beam_flags(n_workers: int) -> list[str]:
    """Flags of a pipeline on this machine.

    Args:
        n_workers: Number of worker processes; a single worker runs in this process, which saves its start.
    """
    place = IN_THIS_PROCESS if n_workers == 1 else (LOCAL_RUNNER, "--direct_running_mode=multi_processing")
    return [*place, f"{WORKERS_FLAG}{n_workers}"]


def is_local(flags: Sequence[str]) -> bool:
    """Whether a pipeline with these flags runs on this machine, as one without any flags does."""
    return not flags or LOCAL_RUNNER in flags


def with_job_name(flags: Sequence[str], *parts: str) -> list[str]:
    """The flags, and a name for the jobs that a pipeline with them starts on an engine elsewhere.

    Args:
        flags: The flags; those of pipelines on this machine, and those with a name, stay as they are.
        parts: What tells whose jobs they are, and is the same when the same work is tried again.
    """
    if is_local(flags) or flag_value(flags, "job_name") is not None:
        return list(flags)
    return [*flags, f"--job_name={re.sub('[^a-z0-9]+', '-', '-'.join(('belka', *parts)).lower())}"]


def flag_value(flags: Sequence[str], name: str) -> str | None:
    """The value of a flag, given as `--name=value` or as `--name value`; the last one counts, as it does for Beam.

    Args:
        flags: The flags.
        name: Name of the flag without dashes.

    Returns:
        The value; None where the flag is not given.
    """
    found = None
    for position, flag in enumerate(flags):
        if flag.startswith(f"--{name}="):
            found = flag.partition("=")[2]
        elif flag == f"--{name}" and position + 1 < len(flags):
            found = flags[position + 1]
    return found
