"""Score one configuration on one draw: train without what the draw holds out, and rank that."""

import fcntl
import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from belka.code_version import code_version
from belka.models.members import MEMBERS, TRANSFORMER
from components.ensemble.draws import make_draw
from components.ensemble.measured_draws import score_held_out
from components.ensemble.train import EnsembleRequest
from components.ensemble.training_data import LabelledMolecules
from pipeline.config.settings import Config
from pipeline.tuning.draw_task import DrawTask
from pipeline.tuning.draw_transformer import score_transformer, train_on_draw
from pipeline.tuning.draws import cell_precisions
from pipeline.tuning.measured import EXAMPLES_NODES
from pipeline.tuning.sample_data import SampleData, make_sample_data, molecules_of_draws, without_validation

EXAMPLES_FOLDER: Final = "examples"

logger = logging.getLogger(__name__)


def score_draw(task: DrawTask, on_validation: Callable[[float], None]) -> dict[str, float]:
    """Average precision by `target/group` of what a draw holds out.

    Args:
        task: What is to be scored.
        on_validation: Gets the score of each validation of the transformer, the greater the better; what it raises ends
            the training.

    Raises:
        BelkaError: The configuration cannot be trained on these molecules.
    """
    config, targets = task.config, task.config.data.targets
    data = examples_of(config, task.output_dir)
    molecules = molecules_of_draws(data.examples_dir, len(targets), config.ensemble.max_molecules, config.system.seed)
    held_out, groups = make_draw(molecules.blocks, task.draw)
    kinds = tuple(kind for kind in config.model.members if kind != TRANSFORMER)
    odds: Any = 0.0
    if kinds:
        request = EnsembleRequest(kinds, targets, config.ensemble, config.system.seed)
        odds = score_held_out(molecules, held_out, request, task.work_dir / "members")
    if task.transformer:
        share = config.ensemble.transformer_weight if kinds else 1.0
        own = _transformer_odds(task, data, molecules.take(~held_out), molecules.take(held_out), on_validation)
        odds = (1 - share) * odds + share * own
    return cell_precisions(odds, molecules.binds[held_out], groups[held_out], targets)


def _transformer_odds(
    task: DrawTask,
    data: SampleData,
    taught: LabelledMolecules,
    scored: LabelledMolecules,
    on_validation: Callable[[float], None],
) -> Any:
    """Log-odds of the transformer, float32 [n, n_targets]."""

    def validated(scores: Any) -> None:
        on_validation(scores.get("val_average_precision", -scores["val_loss"]))

    folder = task.work_dir / TRANSFORMER
    model_dir = train_on_draw(task.config, data, taught, task.config.system.seed, folder, validated)
    return score_transformer(model_dir, data, scored.ids, len(task.config.data.targets), folder)


def examples_of(config: Config, output_dir: Path) -> SampleData:
    """The Examples of a configuration, all training molecules with their blocks; made once.

    Args:
        config: The configuration.
        output_dir: Keeps them.
    """
    members = {"members": tuple(MEMBERS)}  # draws need the blocks
    config = without_validation(config).model_copy(update={"model": config.model.model_copy(update=members)})
    deciding = config.deciding()
    content = [*(deciding[node] for node in EXAMPLES_NODES), config.data.raw_digest, code_version()]
    name = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
    folder = output_dir / EXAMPLES_FOLDER / name
    with _alone(folder.with_suffix(".lock")):
        return make_sample_data(config, config.system.seed, folder)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Wait for another process that makes the same."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX)
        except OSError as error:
            logger.warning("%s takes no locks (%s): two processes may make the same Examples.", lock.parent, error)
        yield
