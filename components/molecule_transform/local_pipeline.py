"""Beam pipelines on this machine."""

import apache_beam as beam


def local_pipeline(n_workers: int = 1) -> beam.Pipeline:
    """Return a pipeline of Beam's own runner.

    A plain DirectRunner is not used because it first tries to download another runner.

    Args:
        n_workers: Number of worker processes; 1 runs in this process, which saves their start.
    """
    mode = "in_memory" if n_workers == 1 else "multi_processing"
    return beam.Pipeline(
        argv=["--runner=FnApiRunner", f"--direct_running_mode={mode}", f"--direct_num_workers={n_workers}"]
    )
