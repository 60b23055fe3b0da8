"""Runs that a tracking server knows of and that have not ended."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class BegunRun:
    """One of them.

    Attributes:
        info: What the server calls the run's info: run_id, artifact_uri and others.
        told: Batches trained until the last row of the curves that the server has.
    """

    info: Mapping[str, Any]
    told: int = -1

    @property
    def run(self) -> str:
        """Its id."""
        return str(self.info["run_id"])


@dataclass
class BegunRuns:
    """The run of a pipeline and those of its training stages.

    Attributes:
        run: Of the pipeline; None = no validation has been told yet.
        stages: Name of the stage -> its run.
    """

    run: BegunRun | None = None
    stages: dict[str, BegunRun] = field(default_factory=dict)

    def ids(self) -> Iterator[str]:
        """Ids of all, those of stages first."""
        yield from (stage.run for stage in self.stages.values())
        if self.run is not None:
            yield self.run.run
