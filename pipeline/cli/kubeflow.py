"""`belka compile`, `belka submit` and `belka simulate`."""

import json
import logging
import time
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console
from rich.table import Table

from belka.errors import InputError
from belka.places.uri import local_place
from pipeline.cli.cells import cell
from pipeline.cli.consoles import open_console
from pipeline.cli.options import ConfigOption, QuietOption, SetOption
from pipeline.cli.places import PATH, file_written_here
from pipeline.cli.session import own_stderr
from pipeline.runners.kubeflow.simulator.retries import Cluster

PackageArgument = Annotated[
    Path, typer.Argument(parser=local_place, metavar="PIPELINE.yaml", help="What `belka compile` wrote.")
]
ParameterOption = Annotated[
    list[str] | None, typer.Option("--parameter", metavar="NAME=VALUE", help="A pipeline parameter; may be repeated.")
]
NoCacheOption = Annotated[bool, typer.Option("--cache/--no-cache", help="--no-cache runs every task anew.")]


def compile_(
    out: Annotated[Path, typer.Option(parser=file_written_here, metavar=PATH, help="YAML file to write.")] = Path(
        "pipeline.yaml"
    ),
    config: ConfigOption = None,
    overrides: SetOption = None,
    image: Annotated[
        str | None, typer.Option(help="Image of every node, registry/name@sha256:... (kubeflow.image).")
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Compile the pipeline for Kubeflow Pipelines v2.

    Folders of the section `data` are those of the pods: relative ones lie below the first of kubeflow.volumes.
    """
    from pipeline.config.files import load_config

    values = [*(overrides or ()), *([f"kubeflow.image={image}"] if image else ())]
    settings = load_config(config, values)
    console = Console(quiet=quiet, soft_wrap=True)
    _require_kfp()
    # TFX warns of a missing default image that is there.
    logging.getLogger("absl").setLevel(logging.ERROR)
    with own_stderr(), console.status("compiling"):
        from pipeline.runners.kubeflow.compile import compile_config

        compiled = compile_config(settings)
    compiled.write(out)
    for warning in compiled.warnings:
        console.print(f"warning: {warning}", style="yellow", markup=False, highlight=False)
    tasks = len(compiled.spec["root"]["dag"]["tasks"])
    console.print(f"{out}: {tasks} tasks; next: belka submit {out}", markup=False, highlight=False)


def submit(
    package: PackageArgument = Path("pipeline.yaml"),
    config: ConfigOption = None,
    overrides: SetOption = None,
    endpoint: Annotated[str | None, typer.Option(help="URL of the API or UI (kubeflow.endpoint).")] = None,
    namespace: Annotated[str | None, typer.Option(help="Namespace of the run (kubeflow.namespace).")] = None,
    experiment: Annotated[str | None, typer.Option(help="Experiment of the run (kubeflow.experiment).")] = None,
    parameters: ParameterOption = None,
    run_name: Annotated[str | None, typer.Option(help="Name of the run.")] = None,
    cache: NoCacheOption = True,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the run to its end; fail when it fails.")] = False,
    cron: Annotated[
        str | None,
        typer.Option("--schedule", metavar="CRON", help="Have the cluster run it again and again: '30 2 * * 1'."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be sent and send nothing.")] = False,
) -> None:
    """Send a compiled pipeline to Kubeflow Pipelines and print the run's URL, or that of the recurring run."""
    from pipeline.config.files import load_config

    options = {"endpoint": endpoint, "namespace": namespace, "experiment": experiment}
    given = [f"kubeflow.{key}={json.dumps(value)}" for key, value in options.items() if value is not None]
    settings = load_config(config, [*(overrides or ()), *given]).kubeflow
    from pipeline.runners.kubeflow.follow import wait as follow
    from pipeline.runners.kubeflow.retries_seen import describe_retries
    from pipeline.runners.kubeflow.schedule import schedule, six_fields
    from pipeline.runners.kubeflow.submit import SubmissionRequest, connect
    from pipeline.runners.kubeflow.submit import submit as send

    request = SubmissionRequest(package, settings, _pairs(parameters, "--parameter", "NAME=VALUE"), run_name, cache)
    described = request.describe()
    if cron is not None:
        if wait:
            action = "Leave --wait out, or submit the run without --schedule."
            raise InputError("A schedule makes many runs, and --wait follows one.", action=action)
        described["schedule"] = cron = six_fields(cron)
    if dry_run:
        typer.echo(yaml.safe_dump(described, sort_keys=False), nl=False)
        return
    _require_kfp()
    client = connect(settings)
    if cron is not None:
        typer.echo(schedule(client, request, cron))
        typer.echo(f"retries: {describe_retries(client)}")
        return
    run, started = send(client, request), time.monotonic()
    typer.echo(run.url)
    typer.echo(f"retries: {describe_retries(client)}")

    def show(task: str, state: str) -> None:
        word, colon, reason = state.partition(":")
        typer.echo(f"{time.monotonic() - started:7.0f} s  {task}: {word.lower()}{colon}{reason}")

    if wait:
        follow(client, run, settings, show)
        typer.echo(f"{time.monotonic() - started:7.0f} s  succeeded")


def simulate(
    package: PackageArgument = Path("pipeline.yaml"),
    work_dir: Annotated[
        Path, typer.Option(parser=local_place, metavar=PATH, help="Keeps buckets, metadata and logs from run to run.")
    ] = Path("simulation"),
    volumes: Annotated[
        list[str] | None,
        typer.Option("--volume", metavar="CLAIM=FOLDER", help="Folder that stands for a volume; may be repeated."),
    ] = None,
    parameters: ParameterOption = None,
    pipeline_root: Annotated[
        str | None, typer.Option(help="Bucket URI of the artifacts; otherwise as compiled.")
    ] = None,
    cluster: Annotated[
        Cluster,
        typer.Option(help="What the cluster makes of retries: as Kubeflow Pipelines ships it, or with our patch."),
    ] = Cluster.PATCHED,
    cache: NoCacheOption = True,
    quiet: QuietOption = False,
) -> None:
    """Rehearse a compiled pipeline on this machine by the rules of Kubeflow Pipelines that docs/kubeflow.md lists.

    Messages, buckets, the cache and retries follow them; there are no containers, and waits are left out.
    """
    from pipeline.runners.kubeflow.pipeline_file import read_pipeline
    from pipeline.runners.kubeflow.simulator.run import Simulation, TaskResult
    from pipeline.runners.kubeflow.simulator.run import simulate as run

    console = open_console(quiet=quiet)

    def show(result: TaskResult) -> None:
        attempts = f", {result.attempts} attempts" if result.attempts > 1 else ""
        took = f" after {result.seconds:.1f} s" if result.attempts else ""
        console.print(f"{result.name}: {result.state}{took}{attempts}", highlight=False)

    results = run(
        read_pipeline(package),
        Simulation(
            work_dir=work_dir,
            pipeline_root=pipeline_root,
            volumes={
                claim: local_place(folder) for claim, folder in _pairs(volumes, "--volume", "CLAIM=FOLDER").items()
            },
            parameters=_pairs(parameters, "--parameter", "NAME=VALUE"),
            enable_cache=cache,
            cluster=cluster,
            observe=show,
        ),
    )
    table = Table("task", "output", "place", box=None, pad_edge=False)
    for result in results:
        for key, place in result.outputs.items():
            table.add_row(result.name, key, cell(str(place)))
    console.print(table)


def _pairs(texts: list[str] | None, option: str, form: str) -> dict[str, str]:
    pairs = {}
    for text in texts or ():
        name, separator, value = text.partition("=")
        if not separator or not name:
            action = f"Write {option} {form}."
            raise InputError(f"A value of {option} is malformed.", received=text, expected=form, action=action)
        pairs[name] = value
    return pairs


def _require_kfp() -> None:
    from importlib.util import find_spec

    if find_spec("kfp") is None or find_spec("kfp.kubernetes") is None:
        raise InputError(
            "The packages for Kubeflow Pipelines are not installed.",
            received="no module kfp with kfp.kubernetes",
            expected="the optional dependencies `kubeflow`",
            action="Install them: `uv pip install --require-hashes -r requirements-kubeflow.lock`.",
        )
