"""What each training stage and the ECFP branch bring on real labels, at equal work: `python -m benchmarks.stages`.

Every recipe takes about the same number of batches; blocks are held out of the labelled rows, a new draw for each seed.
Results are appended as they come, one JSON object per line, and finished ones are not run again;
`python -m benchmarks.results` prints the table.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from belka.contract import DESCRIPTION_FILE, HISTORY_FILE, Subset
from benchmarks.sample_data import append_result, finished, make_described, options, precision_cells
from pipeline.config.files import load_config
from pipeline.config.settings import Config
from pipeline.tuning.sample_data import SampleData, make_sample_data
from trainer_module.settings import Mode, RunSettings, parse_run_settings

PRETRAINING_RATE: Final = 3e-3
TOKENS_RATE: Final = 3e-3  # without the branch the transformer learns faster so


@dataclass(frozen=True)
class Recipe:
    """Stages and the passes each makes over its rows.

    Attributes:
        passes: Stages in their order, with their epochs.
        branch: Whether the classification head sees the fingerprint's bits.
    """

    passes: tuple[tuple[Mode, int], ...]
    branch: bool

    @property
    def name(self) -> str:
        """Such as `fps+clf, branch`."""
        return "+".join(mode for mode, _ in self.passes) + (", branch" if self.branch else "")


# Batches of 256 on the real sample: 6 x 134; with test molecules, 2 x 203 + 3 x 134 and 235 + 203 + 3 x 134; with
# DESCRIBED, the last two have 6 x 134 again.
SCHEDULES: Final[tuple[tuple[tuple[Mode, int], ...], ...]] = (
    (("clf", 6),),
    (("fps", 2), ("clf", 3)),
    (("mlm", 1), ("fps", 1), ("clf", 3)),
    (("mtr", 3), ("clf", 3)),
    (("mtr", 2), ("fps", 1), ("clf", 3)),
)
DESCRIBED: Final = ("descriptors.molecules=34304", "descriptors.validation_molecules=2000")
RECIPES: Final = tuple(Recipe(passes, branch) for branch in (True, False) for passes in SCHEDULES)


def stage_settings(config: Config, recipe: Recipe, mode: Mode, epochs: int, seed: int) -> RunSettings:
    """Settings of one stage: those of the configuration, with the recipe's epochs and rates."""
    rate = PRETRAINING_RATE if mode != "clf" else config.training.learning_rate if recipe.branch else TOKENS_RATE
    model = config.model.model_dump(mode="json") | {"ecfp_branch": recipe.branch}
    recipes_own = {"epochs": epochs, "learning_rate": rate, mode: {}}
    training = config.training.for_mode(mode).model_dump(mode="json") | recipes_own
    own = {"mode": mode, "seed": seed, "targets": config.data.targets, "fingerprint": config.fingerprint}
    return parse_run_settings({**own, "model": model, "training": training})


def train_recipe(
    config: Config, recipe: Recipe, seed: int, data: Callable[[Mode], SampleData], folder: Path
) -> dict[str, Any]:
    """Train the stages of a recipe one after the other; pre-training that recipes share is trained once.

    Args:
        config: Model, training, targets.
        recipe: Which stages, for how long.
        seed: Seed of weights, order and dropout.
        data: Examples of a stage.
        folder: Receives the models, by the stages that led to them.

    Returns:
        Average precision by target and split group, of the weights that the pipeline keeps (best validation) and of the
        last ones.
    """
    from belka.tokens.vocabulary import read_vocabulary
    from pipeline.create_pipeline import training_subsets
    from trainer_module.export.saved_model import save_model
    from trainer_module.loop.train import TrainingData, train

    start_from: Path | None = None
    history: list[dict[str, float]] = []
    path = folder
    for mode, epochs in recipe.passes:
        branch = "-branch" if recipe.branch and mode == "clf" else ""
        path = path / f"{mode}{epochs}{branch}"
        model_dir, examples = path / "model", data(mode)
        if not (model_dir / DESCRIPTION_FILE).is_file():
            result = train(
                stage_settings(config, recipe, mode, epochs, seed),
                TrainingData(
                    examples.files(*training_subsets(mode, use_test_molecules=config.training.use_test_molecules)),
                    examples.files(Subset.VALIDATION),
                    tuple(read_vocabulary(examples.transform_graph_dir)),
                    start_from,
                ),
                log_dir=path,
            )
            model_dir.mkdir(parents=True, exist_ok=True)
            save_model(model_dir, result.stored)
            history = [dict(scores) for scores in result.history]
        start_from = model_dir
    history = history or json.loads((path / HISTORY_FILE).read_text())
    kept = max(history, key=lambda scores: scores["val_average_precision"])
    return {
        name: precision_cells(scores, config.data.targets) for name, scores in (("kept", kept), ("last", history[-1]))
    }


def main() -> None:
    """Run the recipes that the results file lacks."""
    parser = options(__doc__)
    parser.add_argument("--recipes", nargs="+", default=[recipe.name for recipe in RECIPES])
    arguments = parser.parse_args()
    config = load_config(arguments.config, [f"data.raw_dir={arguments.raw_dir}", *DESCRIBED])
    for recipe in RECIPES:
        for seed in arguments.seeds:
            if recipe.name not in arguments.recipes or (recipe.name, seed) in finished(arguments.results):
                continue
            folder = arguments.work_dir / str(seed)
            made = make_sample_data(config, seed, folder)

            def data(mode: Mode, made: SampleData = made, folder: Path = folder, seed: int = seed) -> SampleData:
                return make_described(config, seed, folder) if mode == "mtr" else made

            scores = train_recipe(config, recipe, seed, data, folder / "models")
            append_result(arguments.results, recipe.name, seed, scores)


if __name__ == "__main__":
    main()
