"""What `belka run` and `belka step` share: prepare, run nodes with progress, publish, tell where the results are."""

import logging
import traceback
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

from belka.contract import METADATA_FILE, RAW_READERS, RESOLVED_CONFIG, Node
from belka.errors import BelkaError, DamagedError, InterruptedRunError, TerminatedError, explained
from belka.interrupts import stop_of, stopped_error
from pipeline.cli.places import results_published, with_raw_here
from pipeline.cli.progress import StepTable
from pipeline.cli.results import print_results
from pipeline.cli.run_events import HowToRun, gathered, told_run
from pipeline.cli.session import open_session
from pipeline.config.files import with_found_targets, with_raw_digest, write_resolved
from pipeline.config.settings import Config
from pipeline.runners.output_lock import only_run_in
from pipeline.steps import Step, node_kind, nodes_between, step_of

if TYPE_CHECKING:
    from pipeline.tracking.live import LiveCurves

_CONTINUE: Final = "Run the same command again: it continues where it stopped."

logger = logging.getLogger(__name__)


def execute(config: Config, nodes: Sequence[str] | None, how: HowToRun) -> int:
    """Run nodes on this machine and publish their results.

    Args:
        config: The configuration, its folders absolute, or URIs of an object store.
        nodes: Node ids to run on what earlier runs left; None = the whole pipeline.
        how: How it runs.

    Returns:
        The exit code: 0, or that of a model that is not pushed.

    Raises:
        InputError: Another run is working in the output directory.
        BelkaError: With the failing step and the log file's name in what to do.
    """
    kinds = None if nodes is None else list(map(node_kind, nodes))
    if kinds is None or set(kinds) & set(RAW_READERS):
        # First: a missing file is told at once, not after TensorFlow has loaded.
        config = with_raw_digest(with_found_targets(with_raw_here(config)))
    with results_published(config) as placed:
        return _execute(placed, nodes, kinds, how)


def _execute(config: Config, nodes: Sequence[str] | None, kinds: Sequence[Node] | None, how: HowToRun) -> int:
    with (
        only_run_in(config.output_dir),
        open_session(
            config.output_dir,
            log_level=config.system.log_level,
            keep_logs=config.system.keep_logs,
            quiet=how.quiet,
        ) as session,
    ):
        write_resolved(config, config.output_dir / RESOLVED_CONFIG, kinds)
        config = config if how.resume else config.anew()
        is_text = how.log_format == "text"
        table = StepTable(session.console, nodes or _every_node(config), step_of=step_of, live=is_text)
        with gathered(session, table, how), told_run(how.not_pushed_code) as run:
            with session.console.status("loading TensorFlow Extended") if is_text else nullcontext():
                # Their import takes 10 s; nothing on the command line's start-up path may cause it.
                from pipeline.runners.metadata_store import mend
                from pipeline.runners.outcomes import forget, read_outcomes
                from pipeline.runners.publish import publish_results
            mend(config.output_dir / METADATA_FILE)
            with _followed(config, kinds) as curves:
                _run(config, nodes, table, session.log_file)
            outcomes = read_outcomes(config.output_dir / METADATA_FILE, config.pipeline_name)
            try:
                metrics = publish_results(outcomes, table.summary(), config.output_dir)
            except DamagedError as error:
                forget(config.output_dir / METADATA_FILE, error.folder)
                raise
            run.judge(metrics, nodes)
        if is_text:
            table.print_final()
            print_results(session.console, config, metrics)
        if curves is not None:
            _track(config, curves)
    return run.exit_code


def _followed(config: Config, kinds: Sequence[str] | None) -> AbstractContextManager["LiveCurves | None"]:
    """Tell the tracking server of the curves while the block trains, where it will be told of the run."""
    if config.tracking.uri is None or not (kinds is None or Node.PUSHER in kinds):
        return nullcontext()
    from pipeline.tracking.live import LiveCurves

    return LiveCurves(config, config.tracking.uri)


def _track(config: Config, curves: "LiveCurves") -> None:
    """Tell the tracking server; the results are there whether it answers or not."""
    from pipeline.tracking.track import tell

    try:
        tell(config, curves.uri, curves.begun)
    except BelkaError as error:
        logger.warning("The tracking server was not told of this run. %s", error)


def _every_node(config: Config) -> list[str]:
    return nodes_between(
        Step.GENERATE_PARQUET,
        Step.MAKE_SUBMISSION,
        config.training.stages,
        validated=config.data_validation.is_on,
        blended=config.model.is_blended,
    )


def _run(config: Config, nodes: Sequence[str] | None, table: StepTable, log_file: Path) -> None:
    """Run nodes and show their progress; what stops them becomes an error that says what to do."""
    from pipeline.runners.local import run_local

    try:
        with table:
            run_local(config, nodes)
    except KeyboardInterrupt as stop:
        raise stopped_error(stop, action=_CONTINUE) from stop
    except Exception as error:
        told = isinstance(explained(error), InterruptedRunError | TerminatedError)  # by a training, with what it saved
        if not told and (stopped := stop_of(error)):
            raise stopped_error(stopped, action=_CONTINUE) from error
        logger.exception("The run failed.")
        table.print_final()
        raise _explain(error, table.failed(), log_file) from error


def _explain(error: Exception, node: str | None, log_file: Path) -> BelkaError:
    """Turn a failure into one that names step, node and log; a BelkaError keeps its own words and exit code."""
    known = explained(error)
    place = f"{step_of(node)} ({node})" if node else "The pipeline"
    hint = f"See {log_file}. Run the same command again after mending the cause: finished steps come from the cache."
    if known is None:
        last = traceback.format_exception_only(error)[-1].strip()
        return BelkaError(f"{place} failed.", received=last, action=hint)
    return type(known)(
        known.problem if node and node in known.problem else f"{place}: {known.problem}",
        received=known.received,
        expected=known.expected,
        action=f"{known.action} {hint}" if known.action else hint,
    )
