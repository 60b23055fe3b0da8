"""The text for Prometheus: the last state of each node, its figures, labels that nothing breaks out of."""

from dataclasses import replace
from pathlib import Path

from belka.events.event import Amount, Event, State
from pipeline.events.metrics_file import MetricsFile

AMOUNT = Amount('odd "part"\n', 50, 100, "rows", 5.0, {"loss": 0.25})


def samples(text: str) -> dict[str, float]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_states_amounts_and_figures(tmp_path: Path) -> None:
    target = tmp_path / "belka.prom"
    metrics = MetricsFile(target)
    started = Event(State.STARTED, run="r", step="train_model", node="trainer-clf")
    metrics(started)
    metrics(replace(started, state=State.RUNNING, progress=AMOUNT))
    metrics(replace(started, state=State.FINISHED, memory_bytes=7, warnings={"a": 2}))
    metrics(Event(State.FINISHED, run="r", exit_code=3))
    found = samples(target.read_text(encoding="utf-8"))
    base = 'run="r",step="train_model",node="trainer-clf"'
    part = f'{base},part="odd \\"part\\"\\n",unit="rows"'
    assert found[f'belka_node_state{{{base},state="finished"}}'] == 1
    assert found[f'belka_node_state{{{base},state="running"}}'] == 0
    assert found[f"belka_node_done{{{part}}}"] == 50
    assert found[f"belka_node_seconds_left{{{part}}}"] == 10
    assert found[f'belka_node_figure{{{part},name="loss"}}'] == 0.25
    assert found[f"belka_node_memory_bytes{{{base}}}"] == 7
    assert found[f'belka_node_warnings{{{base},kind="a"}}'] == 2
    assert found['belka_run_exit_code{run="r"}'] == 3
    assert found['belka_last_event_timestamp_seconds{run="r"}'] > 1e9
    assert [path.name for path in tmp_path.iterdir()] == ["belka.prom"]


def test_every_family_has_help_and_type_once(tmp_path: Path) -> None:
    metrics = MetricsFile(tmp_path / "x.prom")
    for node in ("pusher", "trainer-clf"):
        metrics(Event(State.RUNNING, node, run="r", step="s", progress=AMOUNT))
    lines = metrics.text().splitlines()
    types = [line for line in lines if line.startswith("# TYPE")]
    assert len(types) == len(set(types))
    assert all(line.endswith("gauge") for line in types)
