"""The Beam command-line options of a configuration."""

from belka.machine import worker_count
from pipeline.config.settings import Config


def beam_pipeline_args(config: Config) -> list[str]:
    """Options for every Beam component.

    Args:
        config: `beam.runner` local means Beam's in-process runner with `system.n_workers` worker processes; anything else is an existing
            engine, configured by `beam.options` alone.
    """
    if config.beam.runner != "local":
        return [f"--runner={config.beam.runner}", *config.beam.options]
    workers = worker_count(config.system.n_workers)
    # One worker stays in this process, which saves its start. A plain DirectRunner would first try to download Prism.
    mode = "in_memory" if workers == 1 else "multi_processing"
    return [
        "--runner=FnApiRunner",
        f"--direct_running_mode={mode}",
        f"--direct_num_workers={workers}",
        *config.beam.options,
    ]
