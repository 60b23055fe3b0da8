"""The curves of training, told to a tracking server while it goes on: each new row of a stage's history.json."""

import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from belka.contract import HISTORY_FILE
from belka.errors import BelkaError
from belka.places.names import place_of
from belka.places.uri import is_uri
from pipeline.config.settings import Config
from pipeline.runners.leftovers import PIPELINE_ROOT
from pipeline.steps import trainer_node
from pipeline.tracking.begun import BegunRun, BegunRuns
from pipeline.tracking.record import curves, run_name
from pipeline.tracking.server import MlflowServer
from pipeline.tracking.track import LIVE_TAG, PARENT_TAG, log_metrics, now
from trainer_module.settings import Mode

SECONDS_BETWEEN: Final = 5.0
_LEAVE_SECONDS: Final = 8.0  # for a server that does not answer when the run ends; Ctrl-C is obeyed within 10

logger = logging.getLogger(__name__)


class LiveCurves:
    """Tells a server of each validation within seconds, as long as the block runs; training never waits for it.

    A block that ends by an error leaves its runs on the server as failed ones. Where the process is killed they stay
    there as running ones until the next run in the same output directory ends them as killed.

    Attributes:
        uri: Address of the server.

    Args:
        config: The configuration of the run.
        uri: Address of an MLflow server.
        seconds: Between two looks at the files, > 0.
    """

    def __init__(self, config: Config, uri: str, seconds: float = SECONDS_BETWEEN) -> None:
        self.uri = uri
        self._config, self._server, self._seconds = config, MlflowServer(uri), seconds
        self._since = time.time()
        self._name, self._place = run_name(config), _live_place(config.output_dir)
        self._over, self._failed = threading.Event(), False
        self._thread = threading.Thread(target=self._follow, name="live-curves", daemon=True)
        self._begun = BegunRuns()

    @property
    def begun(self) -> BegunRuns:
        """What is begun on the server, for `tell` to complete; nothing where its thread still waits for an answer."""
        return BegunRuns() if self._thread.is_alive() else self._begun

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._failed = error is not None
        self._over.set()
        self._thread.join(_LEAVE_SECONDS)

    def _follow(self) -> None:
        going = self._answered(self._end_killed)
        while going:
            last = self._over.wait(self._seconds)
            going = self._answered(self._look) and not last
        if self._failed:
            self._answered(self._end_failed)

    def _answered(self, ask: Callable[[], None]) -> bool:
        """Whether the server did what it was asked; one that does not is left alone until the run ends."""
        try:
            ask()
        except BelkaError as error:
            logger.warning("The tracking server is not told of the curves while training goes on. %s", error)
            return False
        return True

    def _end_killed(self) -> None:
        """End what an earlier run in this output directory was killed over."""
        self._experiment = self._server.experiment(self._config.tracking.experiment)
        while run := self._server.find_run(self._experiment, LIVE_TAG, self._place):
            self._server.tag(run, LIVE_TAG, "")
            self._server.end_run(run, now(), "KILLED")

    def _look(self) -> None:
        for mode in self._config.training.stages:
            if rows := self._rows(mode):
                stage = self._stage(mode)
                new = [metric for metric in curves(rows) if metric.step > stage.told]
                log_metrics(self._server, stage.run, new)
                stage.told = max([stage.told, *(metric.step for metric in new)])

    def _rows(self, mode: Mode) -> list[dict[str, object]]:
        """The history of a stage that this run trains: a file that is older is of the cache."""
        root = self._config.output_dir / PIPELINE_ROOT / trainer_node(mode)
        files = [file for file in root.glob(f"model_run/*/{HISTORY_FILE}") if file.stat().st_mtime >= self._since]
        if not files:
            return []
        rows: list[dict[str, object]] = json.loads(
            max(files, key=lambda file: int(file.parent.name)).read_text("utf-8")
        )
        return rows

    def _stage(self, mode: Mode) -> BegunRun:
        if mode not in self._begun.stages:
            if self._begun.run is None:
                self._begun.run = self._begin(self._name, {})
            self._begun.stages[mode] = self._begin(mode, {PARENT_TAG: self._begun.run.run})
        return self._begun.stages[mode]

    def _begin(self, name: str, tags: dict[str, str]) -> BegunRun:
        return BegunRun(self._server.start_run(self._experiment, name, {**tags, LIVE_TAG: self._place}, now()))

    def _end_failed(self) -> None:
        for run in self._begun.ids():
            self._server.tag(run, LIVE_TAG, "")
            self._server.end_run(run, now(), "FAILED")


def _live_place(output_dir: Path) -> str:
    """What names an output directory to runs on every machine: one on an object store is the same for all of them."""
    place = place_of(output_dir)
    return place if is_uri(place) else f"{socket.gethostname()}:{place}"
