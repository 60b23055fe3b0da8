"""`belka submit --schedule`: a recurring run, and what its expression means to the backend."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner, Result

from belka.errors import InputError
from pipeline.cli import kubeflow
from pipeline.runners.kubeflow.schedule import six_fields

if TYPE_CHECKING:
    from tests.unit.pipeline.runners.kubeflow.conftest import Api


def _submit(api: "Api", package: Path, *options: str) -> Result:
    app = typer.Typer()
    app.command("submit")(kubeflow.submit)
    return CliRunner().invoke(app, [str(package), "--endpoint", api.url, "--namespace", "team", *options])


def test_a_recurring_run_is_made_as_asked(api: "Api", package: Path) -> None:
    ended = _submit(
        api, package, "--schedule", "30 2 * * 1", "--run-name", "weekly", "--parameter", "raw_dir=/new", "--no-cache"
    )
    assert ended.exit_code == 0, ended.output
    assert f"{api.url}/#/recurringrun/details/s1" in ended.output
    assert api.runs == []
    (sent,) = api.schedules
    expected: dict[str, Any] = {
        "display_name": "weekly",
        "experiment_id": "e1",
        "mode": "ENABLE",
        "max_concurrency": 1,  # two runs may not share an output folder
        "no_catchup": True,
        "trigger": {"cron_schedule": {"cron": "0 30 2 * * 1"}},
    }
    assert {key: sent[key] for key in expected} == expected
    assert sent["runtime_config"]["parameters"] == {"raw_dir": "/new"}
    task = sent["pipeline_spec"]["root"]["dag"]["tasks"]["make"]
    assert task.get("cachingOptions", {}).get("enableCache", False) is False


def test_a_schedule_is_not_waited_for_and_a_dry_run_shows_it(api: "Api", package: Path) -> None:
    with pytest.raises(InputError, match="--wait follows one"):
        raise _submit(api, package, "--schedule", "0 2 * * *", "--wait").exception  # type: ignore[misc]  # is one
    assert "schedule: 0 0 2 * * *" in _submit(api, package, "--schedule", "0 2 * * *", "--dry-run").output
    assert api.schedules == []


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        # The backend reads five fields as second to month: 2:30 on Mondays would be each hour, 2 minutes and 30 s past.
        ("30 2 * * 1", "0 30 2 * * 1"),
        ("*/15 * * * MON-FRI", "0 */15 * * * MON-FRI"),
        ("0 0 6,18 1 JAN *", "0 0 6,18 1 JAN *"),
        (" 0  2 * * ? ", "0 0 2 * * ?"),
    ],
)
def test_five_fields_mean_what_cron_means(given: str, sent: str) -> None:
    assert six_fields(given) == sent


@pytest.mark.parametrize(
    "text", ["", "daily", "0 2 * *", "60 2 * * *", "0 24 * * *", "0 2 0 * *", "0 2 * * 7", "0 2 5-1 * *", "*/0 2 * * *"]
)
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--schedule"):
        six_fields(text)
