"""Options that several commands share, and how they become a configuration."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from belka.contract import MODELS_FOLDER, RESOLVED_CONFIG
from belka.errors import InputError
from belka.files import is_pattern
from belka.places.uri import is_uri, local_place
from pipeline.cli.places import PATH, changed_folder, file_written_here, place_text, run_folder

if TYPE_CHECKING:
    from pipeline.config.settings import Config

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", parser=local_place, metavar=PATH, help="YAML file; what it leaves out has its default."),
]
RawDirOption = Annotated[
    str | None,
    typer.Option("--raw-dir", parser=place_text, metavar=PATH, help="Folder of train and test (parquet or csv)."),
]
OutputDirOption = Annotated[
    str | None,
    typer.Option("--output-dir", parser=place_text, metavar=PATH, help="Folder that receives every result."),
]
RunFolderOption = Annotated[
    Path | None,
    typer.Option("--output-dir", parser=run_folder, metavar=PATH, help="Folder that received the results of a run."),
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override one value; may be repeated.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]
LogFormat = Literal["text", "json"]
LogFormatOption = Annotated[
    LogFormat, typer.Option("--log-format", help="Progress as text for people, or as events, lines of JSON.")
]
MetricsFileOption = Annotated[
    Path | None,
    typer.Option(
        "--metrics-file",
        parser=file_written_here,
        metavar=PATH,
        help="Keep the run's state in this file, for Prometheus (.prom).",
    ),
]
ResumeOption = Annotated[
    bool,
    typer.Option(
        "--resume/--no-resume",
        help="Continue: finished steps come from the cache, training from its last checkpoint; else start over.",
    ),
]
PushedModelsOption = Annotated[
    Path, typer.Option("--models", parser=changed_folder, metavar=PATH, help="Folder of the pushed versions.")
]
PUSHED_MODELS: Final = Path("output") / MODELS_FOLDER  # where a run without --output-dir pushes


def build_config(
    config: Path | None,
    raw_dir: str | Path | None = None,
    output_dir: str | Path | None = None,
    overrides: list[str] | None = None,
) -> "Config":
    """Load the configuration, apply the command line's own options, and make its folders absolute; URIs stay."""
    from pipeline.config.files import load_config  # builds the model of the configuration: too slow for --help

    loaded = load_config(config, overrides or ())
    data = loaded.data
    folders = {
        "raw_dir": _absolute(str(raw_dir or data.raw_dir)),
        "output_dir": _absolute(str(output_dir or data.output_dir)),
    }
    if not is_uri(folders["output_dir"]) and is_pattern(Path(folders["output_dir"])):
        raise InputError(
            "The path of the output folder holds [, * or ?, which TensorFlow and Beam take for a pattern of names.",
            received=folders["output_dir"],
            expected="a path without them; raw files and models may lie anywhere",
            action="Choose another folder with --output-dir.",
        )
    return loaded.model_copy(update={"data": data.model_copy(update=folders)})


def _absolute(place: str) -> str:
    return place_text(place) if is_uri(place) else str(Path(place).absolute())


def used_config(output_dir: str | Path | None) -> Path | None:
    """The configuration of the last run in an output directory; None where there was none.

    Raises:
        InputError: The file was cut.
    """
    file = run_folder(output_dir) / RESOLVED_CONFIG if output_dir else None
    if file is None or not file.is_file():
        return None
    from pipeline.config.files import load_resolved  # too slow for --help

    load_resolved(file)
    return file
