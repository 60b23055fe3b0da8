"""`belka train-worker`: what each pod runs where several pods train one model."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from belka.places.uri import local_place
from pipeline.cli.options import ConfigOption, OutputDirOption, SetOption, build_config
from pipeline.cli.places import PATH
from pipeline.steps import Step, trainer_node


def train_worker(
    index: Annotated[
        int, typer.Option("--index", envvar="JOB_COMPLETION_INDEX", help="Index of this pod; 0 writes the results.")
    ],
    workers: Annotated[int, typer.Option("--workers", envvar="WORKERS", help="Number of pods.")],
    address: Annotated[
        str,
        typer.Option(
            "--address",
            envvar="WORKER_ADDRESS",
            metavar="HOST:PORT",
            help="Address of each pod, {index} where its index stands.",
        ),
    ],
    config: ConfigOption = None,
    output_dir: OutputDirOption = None,
    own_dir: Annotated[
        Path,
        typer.Option(
            "--own-dir",
            parser=local_place,
            metavar=PATH,
            help="Folder of this pod alone, for what pods other than 0 write.",
        ),
    ] = Path("/work/output"),
    overrides: SetOption = None,
) -> None:
    """Train as one of several pods; pod 0 then evaluates, pushes the model and writes submission.csv.

    The dataset must be there (`belka run --to make_dataset`). Exit code 75: another pod is gone; all pods that are
    started again continue from the last checkpoint. Exit code 3, of pod 0: done, but the model is not pushed.
    """
    from pipeline.runners.worker_pods import WorkerPod, copy_metadata, wait_for_farewell

    pod = WorkerPod(index, workers, address)
    settings = build_config(config, None, output_dir, overrides)
    local_place(settings.data.output_dir)
    if not pod.is_chief:
        copy_metadata(Path(settings.data.output_dir), own_dir)
        settings = build_config(config, None, own_dir, overrides)
    from pipeline.cli.execute import execute
    from pipeline.cli.run_events import HowToRun

    if pod.n_workers > 1:
        os.environ["TF_CONFIG"] = pod.tf_config()
    execute(settings, [trainer_node(stage) for stage in settings.training.stages], HowToRun())
    os.environ.pop("TF_CONFIG", None)
    if pod.is_chief:
        wait_for_farewell(pod.addresses[1:])
        _finish(config, output_dir, overrides)


def _finish(config: Path | None, output_dir: str | None, overrides: list[str] | None) -> None:
    """Run what follows the training in the place of this process, where TensorFlow still counts on the others."""
    options = [
        *(("--config", str(config)) if config else ()),
        *(("--output-dir", str(output_dir)) if output_dir else ()),
        *(word for value in overrides or () for word in ("--set", value)),
    ]
    command = [sys.executable, "-m", "belka", "run", "--from", Step.TRAIN_MODEL, *options]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, command)  # noqa: S606 - our own command
