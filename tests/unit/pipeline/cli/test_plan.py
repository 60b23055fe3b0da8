"""What a plan says of time and memory: what was seen here, and in one line where nothing was."""

from datetime import UTC, datetime

from pipeline.cli.plan import _estimate
from pipeline.events.last_costs import Cost
from pipeline.runners.plan import PlannedNode

RUNNING = [PlannedNode("smiles-vocab", cached=False, reasons=("it has not run here",), outputs=())]


def test_where_nothing_has_run_no_node_is_listed() -> None:
    assert list(_estimate(RUNNING, {})) == ["no estimate: nothing that runs has run here before"]


def test_what_has_run_is_told_and_what_has_not_is_named() -> None:
    nodes = [*RUNNING, PlannedNode("pusher", cached=False, reasons=(), outputs=())]
    first, *_, last = _estimate(
        nodes,
        {
            "smiles-vocab": Cost(
                seconds=3.0, memory_bytes=10**9, amount="12 molecules", when=datetime(2026, 11, 27, tzinfo=UTC)
            )
        },
    )
    assert first.startswith("estimate: 3.0 s for 1 of the 2 nodes that run, peak memory 1.0 GB")
    assert last == "no estimate: pusher has not run here before"


def test_all_cached_takes_seconds() -> None:
    cached = [PlannedNode("pusher", cached=True, reasons=(), outputs=())]
    assert list(_estimate(cached, {})) == ["estimate: seconds; nothing has to be computed"]
