"""The Beam command-line options of a configuration."""

from belka.beam_flags import local_beam_flags
from belka.machine import worker_count
from pipeline.config.settings import Config


def beam_pipeline_args(config: Config) -> list[str]:
    """Options for every Beam component.

    Args:
        config: With `beam.runner` local, Beam's in-process runner gets `system.n_workers` worker processes; any other
            value names an existing engine, which `beam.options` alone configures.
    """
    is_here = config.beam.runner == "local"
    runner = local_beam_flags(worker_count(config.system.n_workers)) if is_here else [f"--runner={config.beam.runner}"]
    return [*runner, *config.beam.options]
