"""Beam pipelines on this machine."""

import apache_beam as beam

from belka.beam_flags import local_beam_flags


def local_pipeline(n_workers: int = 1) -> beam.Pipeline:
    """Make a pipeline of Beam's own runner; a single worker runs in this process, which saves its start."""
    return beam.Pipeline(argv=local_beam_flags(n_workers))
