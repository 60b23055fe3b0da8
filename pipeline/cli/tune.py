"""`belka tune`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.table import Table

from belka.errors import InputError
from belka.places.uri import local_place
from pipeline.cli.cells import cell
from pipeline.cli.options import ConfigOption, QuietOption, SetOption, build_config
from pipeline.cli.places import PATH, place_text, with_raw_here
from pipeline.cli.session import LOGS, open_session

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.tuning.outcome import Outcome

_MINUTE: Final = 60.0
_MOST_MINUTES: Final = 1e6  # two years; a clock knows no infinity
RawFolderOption = Annotated[
    str,
    typer.Option("--raw-dir", parser=place_text, metavar=PATH, help="Folder of train and test (parquet or csv)."),
]
StudyFolderOption = Annotated[
    Path,
    typer.Option(
        "--output-dir",
        parser=local_place,
        metavar=PATH,
        help="Receives every result; one that holds a study goes on with it.",
    ),
]
SpaceOption = Annotated[
    Path,
    typer.Option(
        "--space", parser=local_place, metavar=PATH, help="YAML: keys of the configuration with ranges or choices."
    ),
]


def tune(
    raw_dir: RawFolderOption,
    output_dir: StudyFolderOption,
    space: SpaceOption,
    config: ConfigOption = None,
    metric: Annotated[
        str, typer.Option("--metric", help="mean-AP, mean-AP/GROUP or PROTEIN/GROUP, such as mean-AP/non_shared.")
    ] = "mean-AP",
    draws_choose: Annotated[str, typer.Option("--draws-choose", help="Draws that choose.")] = "1-3",
    draws_report: Annotated[str, typer.Option("--draws-report", help="Draws that report, none of those.")] = "11-15",
    minutes: Annotated[
        float, typer.Option("--minutes", min=0.0, max=_MOST_MINUTES, help="Time for trials; reporting comes after.")
    ] = 30,
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="Most trials, those of earlier commands included.")
    ] = None,
    trials_only: Annotated[
        bool, typer.Option("--trials-only", help="Run trials and report nothing: one of several at work.")
    ] = False,
    overrides: SetOption = None,
    quiet: QuietOption = False,
) -> None:
    """Try values of the configuration with Optuna: the best on some draws are reported on others.

    Stopped or killed, the same command goes on. The result is a configuration for `belka run --config`, and a page.
    """
    folders = with_raw_here(build_config(config, raw_dir, output_dir, overrides))
    with open_session(
        folders.output_dir, log_level=folders.system.log_level, keep_logs=folders.system.keep_logs, quiet=quiet
    ) as session:
        try:
            import optuna  # noqa: F401 - an extra: asked for before anything is computed
        except ModuleNotFoundError as error:
            raise InputError(
                "Optuna is not installed.",
                received=str(error),
                expected="the extra `tune` of this package",
                action="Install belka[tune], or optuna of version 5.",
            ) from error
        from pipeline.tuning.draws import parse_draws
        from pipeline.tuning.trials import Limits
        from pipeline.tuning.tune import TuneRequest
        from pipeline.tuning.tune import tune as run

        request = TuneRequest(
            config_file=config,
            overrides=tuple(overrides or ()),
            raw_dir=Path(folders.data.raw_dir),
            output_dir=folders.output_dir,
            space_file=space,
            metric=metric,
            choose=tuple(parse_draws(draws_choose)),
            report=tuple(parse_draws(draws_report)),
            limits=Limits(minutes * _MINUTE, trials),
            trials_only=trials_only,
        )
        outcome = run(request, lambda line: session.console.print(cell(line), highlight=False, soft_wrap=True))
        if outcome is not None:
            _print_outcome(session.console, outcome, folders.output_dir)


def _print_outcome(console: "Console", outcome: "Outcome", output_dir: Path) -> None:
    """The closing table: what was chosen, what it is worth, and where all is."""
    from pipeline.tuning.outcome import shown_spread
    from pipeline.tuning.page import PAGE
    from pipeline.tuning.tune import FIGURES, TUNED_CONFIG

    table = Table("result", box=None, pad_edge=False, title="results", title_justify="left")
    table.add_column("where or how much", overflow="fold")
    reported = outcome.reported
    count = len(reported.draws)
    rows = [("trials", outcome.counted())]
    rows += [(key, f"{value} (before: {outcome.untuned[key]})") for key, value in outcome.chosen.values.items()]
    rows += [
        (
            f"{outcome.metric} on the draws that chose",
            f"{outcome.chosen.score:.4f}, the best of these trials: too good",
        ),
        (f"{outcome.metric} on {count} other draws, tuned", shown_spread(reported.tuned)),
        ("untuned", shown_spread(reported.untuned)),
        ("gain", f"{shown_spread(reported.gains, '+')}, ahead on {reported.ahead} of {count}"),
        ("which means", outcome.advice),
    ]
    rows += [(name, str(output_dir / name)) for name in (TUNED_CONFIG, PAGE, FIGURES, LOGS)]
    for name, value in rows:
        table.add_row(cell(name), cell(value))
    console.print(table)
