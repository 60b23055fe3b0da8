"""Beam's flags for pipelines on this machine. Beam itself is not imported."""

from collections.abc import Sequence
from typing import Final

LOCAL_RUNNER: Final = "--runner=FnApiRunner"  # A plain DirectRunner would first try to download Prism.
IN_THIS_PROCESS: Final = (LOCAL_RUNNER, "--direct_running_mode=in_memory")
WORKERS_FLAG: Final = "--direct_num_workers="


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
