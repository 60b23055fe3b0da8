"""Recurring runs: a compiled pipeline that Kubeflow Pipelines starts by itself."""

import re
from typing import Any, Final

from belka.errors import InputError
from pipeline.runners.kubeflow.connection import explain_connection, told_id
from pipeline.runners.kubeflow.pipeline_file import read_pipeline
from pipeline.runners.kubeflow.submit import SubmissionRequest

_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
# Name, least and greatest value, names of values. Source: robfig/cron 1.2, which the backend uses.
_FIELDS: Final[tuple[tuple[str, int, int, tuple[str, ...]], ...]] = (
    ("second", 0, 59, ()),
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 6, _DAYS),
)
_PART: Final = re.compile(r"(?:[*?]|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>[1-9]\d*))?")


def six_fields(text: str) -> str:
    """A cron expression as the backend reads it: with seconds.

    Args:
        text: Five fields as cron has them (minute, hour, day of the month, month, day of the week), or six with seconds
            before them. The backend itself would take five fields for second to month.

    Raises:
        InputError: It is no such expression.
    """
    fields = text.split()
    if len(fields) == len(_FIELDS) - 1:
        fields = ["0", *fields]
    problem = "" if len(fields) == len(_FIELDS) else f"{len(fields)} fields"
    for field, (name, *limits, names) in zip(fields, _FIELDS, strict=False):
        if not problem and not all(_is_part(part, limits, names) for part in field.split(",")):
            problem = f"{field!r} is no {name} ({limits[0]} to {limits[1]})"
    if problem:
        raise InputError(
            "The value of --schedule is no cron expression.",
            received=f"{text!r}: {problem}",
            expected="minute, hour, day of the month, month and day of the week, such as '30 2 * * 1' (Mondays, 2:30)",
            action="Correct --schedule; times are those of the backend's clock, usually UTC.",
        )
    return " ".join(fields)


def _is_part(part: str, limits: list[int], names: tuple[str, ...]) -> bool:
    match = _PART.fullmatch(part)
    if match is None:
        return False
    words = [word.upper() for word in (match["first"], match["last"]) if word]
    values = [
        limits[0] + names.index(word) if word in names else int(word) if word.isdecimal() else -1 for word in words
    ]
    return values == sorted(values) and all(limits[0] <= value <= limits[1] for value in values)


def schedule(client: Any, request: SubmissionRequest, expression: str) -> str:
    """Create a recurring run; one of its runs at a time, and none is made up for that was missed.

    Args:
        client: From `connect`.
        request: What to run.
        expression: When, from `six_fields`.

    Returns:
        Its page.

    Raises:
        InputError: The request is wrong, or the server refuses it; its own words are in the message.
    """
    pipeline, settings = read_pipeline(request.package), request.settings
    arguments = request.arguments(pipeline)
    with explain_connection(settings):
        experiment = client.create_experiment(settings.experiment, namespace=settings.namespace)
        made = client.create_recurring_run(
            experiment.experiment_id,
            request.run_name or pipeline.name,
            cron_expression=expression,
            max_concurrency=1,  # two runs may not share an output folder
            no_catchup=True,
            params=arguments,
            pipeline_package_path=str(request.package),
            pipeline_root=settings.pipeline_root,
            enable_caching=None if request.enable_cache else False,
            service_account=settings.service_account,
        )
    return f"{settings.endpoint.rstrip('/')}/#/recurringrun/details/{told_id(made.recurring_run_id, settings)}"
