"""Predictions of a file on an engine: Beam's workers score its chunks and keep them beside the output."""

import hashlib
import logging
from collections.abc import Sequence
from typing import Final

import apache_beam as beam

from belka.beam_flags import flag_value, with_job_name
from belka.predict.shares import SharedPrediction, score_share
from components.engine_jobs import EnginePipeline, JobServer

_SHARES: Final = 16  # where the flags do not say how many workers there are

logger = logging.getLogger(__name__)


def share_count(flags: Sequence[str]) -> int:
    """Into how many shares a prediction is parted: each worker loads the model and reads the input once a share.

    Args:
        flags: Beam's flags.
    """
    return int(flag_value(flags, "parallelism") or flag_value(flags, "direct_num_workers") or _SHARES)


def score_on_engine(whole: SharedPrediction, flags: Sequence[str]) -> None:
    """Score all chunks of a prediction; `predict_file` finds them afterwards.

    Args:
        whole: The prediction.
        flags: Beam's flags, of an engine that runs elsewhere or on this machine.

    Raises:
        RunAgainError: The engine does not answer, or somebody cancelled the job.
        BelkaError: A worker cannot work.
    """
    named = with_job_name(flags, "predict", hashlib.sha256(str(whole.output).encode()).hexdigest()[:12])
    server = JobServer.of(named)
    if server and (earlier := server.cancel_jobs()):
        logger.info("Cancelled on the engine what a prediction that was killed had begun: %s", ", ".join(earlier))
    with EnginePipeline(named, server) if server else beam.Pipeline(argv=list(named)) as pipeline:
        shares = pipeline | "Shares" >> beam.Create(range(whole.n_shares))
        _ = shares | "Score" >> beam.Map(score_share, whole)
