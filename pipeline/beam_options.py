"""The Beam command-line options of a configuration."""

from belka.beam_flags import local_beam_flags
from belka.machine import worker_count
from pipeline.config.settings import BeamSettings


def beam_pipeline_args(beam: BeamSettings, n_workers: int) -> list[str]:
    """Options for every Beam component.

    Args:
        beam: Which engine runs Beam; an existing one is configured by `beam.options` alone.
        n_workers: Worker processes on this machine; 0 = as many as there are cores to use.
    """
    runner = local_beam_flags(worker_count(n_workers)) if beam.runner == "local" else [f"--runner={beam.runner}"]
    return [*runner, *beam.options]
