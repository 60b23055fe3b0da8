"""Alerts and dashboard know the metrics that a run writes, and promtool accepts the rules and the run's file."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import yaml

from belka.events.event import Amount, Event, State
from belka.serving import drift
from pipeline.events.metrics_file import HELP, MetricsFile

MONITORING = Path(__file__).parents[3] / "k8s" / "monitoring"
METRIC = re.compile(r"belka_[a-z_]+")


def _alerts() -> list[str]:
    groups = yaml.safe_load((MONITORING / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    return [rule["expr"] for group in groups for rule in group["rules"]]


def _panels() -> list[str]:
    dashboard = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def test_alerts_ask_for_metrics_that_a_run_or_a_server_writes() -> None:
    asked = {name for expression in _alerts() for name in METRIC.findall(expression)}
    served = {f"{name}_total" for name in drift.HELP}
    assert asked & served
    assert asked <= HELP.keys() | served


def test_alerts_on_new_blocks_name_labels_that_the_server_writes() -> None:
    labels = [text for expression in _alerts() for text in re.findall(r'new_blocks=~?"([^"]*)"', expression)]
    assert labels
    assert all(any(re.fullmatch(text, label) for label in drift.NEW_BLOCKS) for text in labels)


def test_the_dashboard_shows_every_metric() -> None:
    assert {name for expression in _panels() for name in METRIC.findall(expression)} == HELP.keys()


def test_promtool_accepts_the_rules_and_each_fires_when_it_should(promtool: Callable[..., str]) -> None:
    promtool("check", "rules", "alerts.yaml", folder=MONITORING)
    promtool("test", "rules", "alerts_test.yaml", folder=MONITORING)


def test_promtool_reads_the_file_of_a_run_without_a_complaint(tmp_path: Path, promtool: Callable[..., str]) -> None:
    keep = MetricsFile(tmp_path / "belka.prom")
    now = datetime(2026, 11, 27, tzinfo=UTC)
    progress = Amount('clf "epoch" 2\\3', 40, 312, "batches", rate=3.1, figures={"loss": 0.21})
    keep(Event(State.STARTED, run="a", time=now))
    keep(Event(State.RUNNING, "trainer-clf", progress=progress, run="a", step="train_model", time=now))
    keep(Event(State.FAILED, "trainer-clf", memory_bytes=1, warnings={"x": 2}, run="a", step="train_model", time=now))
    keep(Event(State.FAILED, run="a", exit_code=75, time=now))
    text = (tmp_path / "belka.prom").read_text(encoding="utf-8")
    assert {line.split()[2] for line in text.splitlines() if line.startswith("# HELP")} == HELP.keys()
    assert promtool("check", "metrics", given=text) == ""
