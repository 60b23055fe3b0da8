"""`belka run --plan`: what a run would do, printed."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from belka.contract import RAW_READERS
from belka.raw_directory import locate_raw_files
from pipeline.cli.amounts import shown_bytes, shown_time
from pipeline.cli.cells import cell
from pipeline.cli.consoles import open_console
from pipeline.cli.places import with_raw_here, with_results_here
from pipeline.cli.session import LOGS, own_stderr
from pipeline.config.files import with_found_targets, with_raw_digest
from pipeline.config.settings import Config
from pipeline.events.last_costs import Cost, last_costs
from pipeline.steps import Step, node_kind, step_of

if TYPE_CHECKING:
    from pipeline.runners.plan import PlannedNode


def show_plan(config: Config, nodes: Sequence[str] | None) -> None:
    """Print which nodes would run and why, which come from the cache, and what they took last.

    Args:
        config: The configuration, its folders absolute.
        nodes: Node ids to run; None = all.
    """
    if nodes is None or set(map(node_kind, nodes)) & set(RAW_READERS):
        config = with_raw_digest(with_found_targets(with_raw_here(config)))
    config = with_results_here(config)
    console = open_console()
    with own_stderr():
        from pipeline.runners.plan import plan_run  # brings TFX along

        planned = plan_run(config, nodes)
    costs = last_costs(config.output_dir / LOGS)
    planned.sort(key=lambda node: list(Step).index(step_of(node.node)))
    console.print(_table(planned, costs))
    why = Table("runs", box=None, pad_edge=False)
    why.add_column("because", overflow="fold")
    for node in planned:
        if node.reasons:
            why.add_row(node.node, cell("; ".join(node.reasons)))
    if why.row_count:
        console.print(why)
    for line in _raw_files(config):
        console.print(cell(line), highlight=False)
    for line in _estimate(planned, costs):
        console.print(line, highlight=False)
    _say_nothing_was_written(console)


def _table(planned: Sequence["PlannedNode"], costs: dict[str, Cost]) -> Table:
    table = Table("step", "node", "plan", box=None, pad_edge=False)
    for name in ("last took", "memory", "on disk"):
        table.add_column(name, justify="right")
    before = ""
    for node in planned:
        step, cost = step_of(node.node), costs.get(node.node)
        size = sum(map(_size, node.outputs))
        table.add_row(
            "" if step == before else step,
            node.node,
            "[blue]cached[/]" if node.cached else "runs",
            shown_time(cost.seconds) if cost else "",
            shown_bytes(cost.memory_bytes) if cost else "",
            shown_bytes(size) if size else "",
        )
        before = step
    return table


def _raw_files(config: Config) -> Iterator[str]:
    """What there is to read: rows where the file tells them, else bytes alone."""
    import pyarrow.parquet as pq  # too slow for the command line's start-up

    data = config.data
    for file in locate_raw_files(Path(data.raw_dir), data, use_extra_data=data.use_extra_data):
        parts = file.parts or (file.path,)
        size = shown_bytes(sum(part.stat().st_size for part in parts))
        rows = ""
        if all(part.suffix == ".parquet" for part in parts):
            rows = f"{sum(pq.read_metadata(part).num_rows for part in parts):,} rows, "
        yield f"raw file {file.path.name}: {rows}{size}"


def _estimate(planned: Sequence["PlannedNode"], costs: dict[str, Cost]) -> Iterator[str]:
    """What the run will take, as far as it is known; it is said where the figures come from."""
    running = [node.node for node in planned if not node.cached]
    if not running:
        yield "estimate: seconds; nothing has to be computed"
        return
    known = {node: costs[node] for node in running if node in costs}
    if known:
        seconds = sum(cost.seconds for cost in known.values())
        memory = max(cost.memory_bytes for cost in known.values())
        yield (
            f"estimate: {shown_time(seconds)} for {len(known)} of the "
            f"{len(running)} nodes that run, peak memory {shown_bytes(memory)}: "
            "what they took last here, whatever has changed since"
        )
        yield from (f"  {node} worked on {cost.amount}" for node, cost in known.items() if cost.amount)
    else:
        yield "no estimate: nothing that runs has run here before"
        return
    if unknown := [node for node in running if node not in costs]:
        yield f"no estimate: {', '.join(unknown)} {'have' if len(unknown) > 1 else 'has'} not run here before"


def _say_nothing_was_written(console: Console) -> None:
    console.print("nothing was run and nothing written; the same command without --plan runs it", highlight=False)


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0
