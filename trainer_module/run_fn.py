"""The entry point of TFX's Trainer: `run_fn="trainer_module.run_fn.run_fn"`."""

import logging
import shutil
from pathlib import Path
from typing import Any

from belka.contract import DESCRIPTORS_FILE
from belka.errors import InputError
from belka.progress import progress
from belka.settings import received_computation
from belka.tokens.vocabulary import read_vocabulary
from trainer_module.export.export import export_model
from trainer_module.loop.devices import choose_strategy
from trainer_module.loop.train import TrainingData, train
from trainer_module.loop.workers import wait_for_workers
from trainer_module.settings import parse_run_settings

logger = logging.getLogger(__name__)


def run_fn(fn_args: Any) -> None:
    """Train one stage and export it.

    Args:
        fn_args: TFX's FnArgs: `train_files` and `eval_files` (patterns), `transform_output` (TransformGraph with
            vocab.txt), `base_model` (the stage before, optional), `serving_model_dir`, `model_run_dir`, and
            `custom_config`, a JSON object with the fields of `trainer_module.settings.RunSettings`.

    Raises:
        BelkaError: What `train` raises; and where another worker is gone before it exported as well.
    """
    run = parse_run_settings(fn_args.custom_config or {}, received_computation())
    transform_graph = Path(fn_args.transform_output)
    start_from = run.model_path or fn_args.base_model
    data = TrainingData(
        train_files=_expand(fn_args.train_files),
        eval_files=_expand(fn_args.eval_files),
        vocabulary=tuple(read_vocabulary(transform_graph)),
        start_from=Path(start_from) if start_from else None,
    )
    result = train(run, data, log_dir=Path(fn_args.model_run_dir))
    with progress("exporting", "models", 1) as done:
        export_model(result.stored, transform_graph, Path(fn_args.serving_model_dir))
        _copy_scale(Path(data.train_files[0]), Path(fn_args.serving_model_dir))
        done.add()
    wait_for_workers(choose_strategy(run.training.device))
    logger.info("Stage %s exported to %s.", run.mode, fn_args.serving_model_dir)


def _copy_scale(example: Path, model_dir: Path) -> None:
    """Put beside a model of descriptors what its outputs mean, as it lies beside the Examples it was trained on."""
    scale = example.parent.parent / DESCRIPTORS_FILE
    if scale.is_file():
        shutil.copyfile(scale, model_dir / DESCRIPTORS_FILE)


def _expand(patterns: list[str]) -> tuple[str, ...]:
    """Return the files behind TFX's patterns.

    Raises:
        InputError: If a pattern matches no file.
    """
    files: list[str] = []
    for pattern in patterns:
        path = Path(pattern)
        found = sorted(map(str, path.parent.glob(path.name)))
        if not found:
            problem = "The trainer found no Examples."
            raise InputError(
                problem,
                received=f"no file matches {pattern}",
                expected="TFRecord shards written by the step make_dataset",
                action="Run the step make_dataset again.",
            )
        files += found
    return tuple(files)
