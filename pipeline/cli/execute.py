"""What `belka run` and `belka step` share: prepare, run nodes with progress, publish, tell where the results are."""

import logging
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from belka.contract import ENRICHMENT_FILE, METADATA_FILE, METRICS_FILE, RAW_READERS, REPORT_FILE, SUBMISSION_FILE
from belka.errors import BelkaError, DamagedError, explained
from belka.interrupts import stop_of, stopped_error
from belka.models.champion import read_champion
from pipeline.cli.cells import cell
from pipeline.cli.data_rows import data_rows
from pipeline.cli.options import RESOLVED_CONFIG
from pipeline.cli.progress import StepTable
from pipeline.cli.session import open_session
from pipeline.config.files import with_found_targets, with_raw_digest, write_resolved
from pipeline.config.settings import Config
from pipeline.runners.output_lock import only_run_in
from pipeline.steps import Step, node_kind, nodes_between

MODELS_FOLDER = "model"
_RESULTS = (SUBMISSION_FILE, METRICS_FILE, REPORT_FILE, ENRICHMENT_FILE, MODELS_FOLDER, RESOLVED_CONFIG, "logs")

_CONTINUE: Final = "Run the same command again: it continues where it stopped."

logger = logging.getLogger(__name__)


def execute(config: Config, nodes: Sequence[str] | None, *, resume: bool = True, quiet: bool) -> dict[str, Any]:
    """Run nodes on this machine and publish their results.

    Args:
        config: The configuration, its folders absolute.
        nodes: Node ids to run on what earlier runs left; None = the whole pipeline.
        resume: Whether the cache and checkpoints may serve. It is about this command, not about those that follow.
        quiet: Whether the console stays silent.

    Returns:
        The content of metrics.json.

    Raises:
        InputError: Another run is working in the output directory.
        BelkaError: With the failing step and the log file's name in what to do.
    """
    kinds = None if nodes is None else list(map(node_kind, nodes))
    if kinds is None or set(kinds) & set(RAW_READERS):
        config = with_raw_digest(
            with_found_targets(config)
        )  # first: a missing file is told at once, not after TensorFlow has loaded
    with (
        only_run_in(config.output_dir),
        open_session(config.output_dir, log_level=config.system.log_level, quiet=quiet) as (console, log_file),
    ):
        write_resolved(config, config.output_dir / RESOLVED_CONFIG, kinds)
        config = config if resume else config.anew()
        with console.status("loading TensorFlow Extended"):
            # Their import takes 10 s; nothing on the command line's start-up path may cause it.
            from pipeline.runners.metadata_store import mend
            from pipeline.runners.outcomes import forget, read_outcomes
            from pipeline.runners.publish import publish_results
        mend(config.output_dir / METADATA_FILE)
        before = read_outcomes(config.output_dir / METADATA_FILE, config.pipeline_name)
        table = StepTable(console, nodes or _every_node(config))
        _run(config, nodes, table, log_file)
        outcomes = read_outcomes(config.output_dir / METADATA_FILE, config.pipeline_name)
        for node, outcome in outcomes.items():
            if outcome.cached and (node not in before or before[node].execution_id != outcome.execution_id):
                table.mark_cached(node)
        try:
            metrics = publish_results(outcomes, table.summary(), config.output_dir)
        except DamagedError as error:
            forget(config.output_dir / METADATA_FILE, error.folder)
            raise
        table.print_final()
        print_results(console, config, metrics)
    return metrics


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
    from pipeline.runners.node_events import observe_nodes

    try:
        with table, observe_nodes(table.node_started, table.node_finished):
            run_local(config, nodes)
    except KeyboardInterrupt as stop:
        raise stopped_error(stop, action=_CONTINUE) from stop
    except Exception as error:
        if (stopped := stop_of(error)) and not explained(error):
            raise stopped_error(stopped, action=_CONTINUE) from error
        logger.exception("The run failed.")
        table.print_final()
        raise _explain(error, table.failed() or "The pipeline", log_file) from error


def verdict_rows(evaluation: Mapping[str, Any], models_dir: Path) -> Iterator[tuple[str, str]]:
    """Tell how good the model is on validation, whether it may go into production, and which one is there.

    Args:
        evaluation: The content of evaluation.json; empty where nothing was evaluated.
        models_dir: Folder of the pushed versions.

    Yields:
        Name and value of each line.
    """
    score = evaluation.get("mean_average_precision")
    if score is not None:
        interval = evaluation.get("mean_interval")
        sure = f" ({interval['low']:.4f} to {interval['high']:.4f})" if interval else ""
        yield "validation average precision (mean)", f"{score:.4f}{sure}"
    for name, baseline in ((evaluation.get("baselines") or {}).get("models") or {}).items():
        gains = [(gain["name"], f"{gain['value']:+.4f}", gain["interval"]) for gain in baseline["gains"]]
        if gains:
            (_, gained, interval), *others = gains
            sure = f" ({interval['low']:+.4f} to {interval['high']:+.4f})" if interval else ""
            by_slice = ", ".join(f"{part} {value}" for part, value, _ in others)
            mean = f"{baseline['mean_average_precision']:.4f}"
            yield f"gain over baseline {name}", f"{gained}{sure}, on {mean}; {by_slice}"
    if not evaluation:
        return
    reasons = evaluation["verdict"]["reasons"]
    yield "gate", "not passed: this model is not pushed" if reasons else "passed"
    for reason in reasons:
        yield "", reason
    compared = evaluation.get("champion") or {}
    if compared.get("judged_slices") and not compared["same_model"]:
        slices = ", ".join(
            f"{part['target']}/{part['split_group']} {part['n']:,}" for part in compared["judged_slices"]
        )
        number = f"{compared['molecules']:,} of {evaluation['molecules']:,}"
        yield "compared on", f"{number} validation molecules, which neither model trained on ({slices})"
    champion = read_champion(models_dir)
    if champion is not None:
        whose = "this run's model" if champion.digest == evaluation.get("digest") else "another model than this run's"
        yield "in production", f"{models_dir / champion.version}: {whose}"


def print_results(console: Console, config: Config, metrics: dict[str, Any]) -> None:
    """Print how good the model is on validation, what became of rows that were not used as given, and where all is."""
    output_dir = config.output_dir
    table = Table("result", box=None, pad_edge=False, title="results", title_justify="left")
    table.add_column("where or how much", overflow="fold")
    for name, value in verdict_rows(metrics.get("evaluation", {}), output_dir / MODELS_FOLDER):
        table.add_row(name, value)
    for name, value in data_rows(metrics, output_dir, rejected_prediction=config.data.rejected_prediction):
        table.add_row(cell(name), cell(value))
    if metrics.get("submission", {}).get("rows") == 0:
        table.add_row(SUBMISSION_FILE, "none: there is no raw test file")
    for name in _RESULTS:
        if (output_dir / name).exists():
            table.add_row(name, cell(str(output_dir / name)))
    console.print(table)


def _explain(error: Exception, failed: str, log_file: Path) -> BelkaError:
    """Turn any failure into one that names the step and the log; a BelkaError keeps its own words and exit code."""
    known = explained(error)
    hint = f"See {log_file}. Run the same command again after mending the cause: finished steps come from the cache."
    if known is None:
        last = traceback.format_exception_only(error)[-1].strip()
        return BelkaError(f"{failed} failed.", received=last, action=hint)
    return type(known)(
        known.problem if failed in known.problem else f"{failed}: {known.problem}",
        received=known.received,
        expected=known.expected,
        action=f"{known.action} {hint}" if known.action else hint,
    )
