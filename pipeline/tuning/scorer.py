"""Scores of configurations on draws: each is computed once and kept, so that nothing finished is done again."""

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from belka.errors import InputError
from belka.state_files import RECOVERY, content_digest, read_or_set_aside, set_aside, write_state
from pipeline.tuning.draw_task import DrawTask
from pipeline.tuning.space import Configure, override_of
from pipeline.tuning.worker import OnValidation, TrialFailedError, Worker

SCORES_FOLDER: Final = "scores"
WORK_FOLDER: Final = "work"
_CHECK: Final = "check"  # as of the journal's lines: a bit that flips in a score is still a score

recovery = logging.getLogger(RECOVERY)


@dataclass(frozen=True)
class Scorer:
    """Scores values on draws.

    Attributes:
        configure: Makes the configuration of values.
        output_dir: Keeps scores, Examples and what is unfinished.
        identity: What else than values and draw decides a score, by name.
        transformer: Whether the transformer is trained, too.
        worker: Computes.
    """

    configure: Configure
    output_dir: Path
    identity: Mapping[str, str]
    transformer: bool
    worker: Worker

    def cells(
        self,
        values: Mapping[str, Any],
        draw: int,
        on_validation: OnValidation = lambda number, value: True,  # noqa: ARG005 - the names tell what it gets
        deadline: float | None = None,
    ) -> dict[str, float]:
        """Average precision by `target/group`.

        Args:
            values: Key -> value.
            draw: Number of the draw.
            on_validation: See `Worker.score`, as for the other.
            deadline: Likewise.

        Raises:
            TrialFailedError: The values do not fit together, or cannot be trained.
        """
        name = self._name(values, draw)
        file = self.output_dir / SCORES_FOLDER / f"{name}.json"
        if (kept := _kept(file)) is not None:
            return kept
        work_dir = self.output_dir / WORK_FOLDER / name
        try:
            config = self.configure([override_of(key, value) for key, value in values.items()])
        except InputError as error:
            raise TrialFailedError("The values do not fit together.", received=error.received) from error
        start = time.monotonic()
        task = DrawTask(config, draw, self.transformer, self.output_dir, work_dir)
        cells = self.worker.score(task, on_validation, deadline)
        content = {"draw": draw, "values": dict(values), "cells": cells, "seconds": time.monotonic() - start}
        write_state(file, {**content, _CHECK: content_digest(content)})
        shutil.rmtree(work_dir, ignore_errors=True)
        return cells

    def has(self, values: Mapping[str, Any], draw: int) -> bool:
        """Whether a score is there; a damaged one is found when it is read."""
        return (self.output_dir / SCORES_FOLDER / f"{self._name(values, draw)}.json").is_file()

    def forget_work(self, values: Mapping[str, Any], draw: int) -> None:
        """Remove what is unfinished of a training that does not go on."""
        shutil.rmtree(self.output_dir / WORK_FOLDER / self._name(values, draw), ignore_errors=True)

    def _name(self, values: Mapping[str, Any], draw: int) -> str:
        content = [sorted(self.identity.items()), sorted(values.items()), draw]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _kept(file: Path) -> dict[str, float] | None:
    """A score as it was written; a damaged one is set aside and computed anew."""
    content = read_or_set_aside(file)
    check = content.pop(_CHECK, None)
    if content and check == content_digest(content):
        return dict(content["cells"])
    if file.exists():
        recovery.warning("%s is damaged: it is now %s, and the draw is scored anew.", file, set_aside(file))
    return None
