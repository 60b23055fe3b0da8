"""The transformer of a draw: the stage clf of the configuration, trained on what the draw leaves for training.

As in `belka run`, its best epoch is chosen, and its log-odds are calibrated, on molecules that it does not learn from;
here these are a tenth of the draw's training molecules, held out as the draw itself is. The draw's held-out molecules
are not looked at before they are scored.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from belka.contract import DESCRIPTION_FILE, FEATURE_MOLECULE_ID, SIGNATURE_EXAMPLES, Subset
from belka.examples import open_examples, read_examples
from belka.files import atomic_path
from belka.models.loader import Signature
from components.ensemble.blend_graph import transformer_odds
from components.ensemble.draws import make_draw
from components.ensemble.training_data import LabelledMolecules
from pipeline.config.settings import Config
from pipeline.tuning.sample_data import SampleData
from trainer_module.settings import RunSettings, parse_run_settings

if TYPE_CHECKING:
    from trainer_module.loop.fit import OnValidation

VALIDATION_SHARE: Final = 0.1


def train_on_draw(
    config: Config,
    data: SampleData,
    taught: LabelledMolecules,
    seed: int,
    folder: Path,
    on_validation: "OnValidation | None" = None,
) -> Path:
    """Train and export, unless an earlier attempt did.

    Args:
        config: Model, training, targets.
        data: Examples of all molecules, with the vocabulary.
        taught: The draw's training molecules.
        seed: Of weights, order, dropout, and of what validates.
        folder: Receives Examples, checkpoints and the model.
        on_validation: Gets the scores of each validation; what it raises ends the training.

    Returns:
        The SavedModel.
    """
    from belka.tokens.vocabulary import read_vocabulary
    from trainer_module.export.export import export_model
    from trainer_module.loop.train import TrainingData, train

    model_dir = folder / "model"
    if (model_dir / DESCRIPTION_FILE).is_file():
        return model_dir
    validates, _ = make_draw(taught.blocks, seed, VALIDATION_SHARE)
    ids = {"train": taught.ids[~validates], "validation": taught.ids[validates]}
    files = write_examples(data, ids, folder)
    result = train(
        clf_settings(config, seed),
        TrainingData(
            (str(files["train"]),),
            (str(files["validation"]),),
            tuple(read_vocabulary(data.transform_graph_dir)),
        ),
        log_dir=folder / "log",
        on_validation=on_validation,
    )
    with atomic_path(model_dir) as temporary:
        export_model(result.stored, data.transform_graph_dir, temporary)
    shutil.rmtree(folder / "log" / "checkpoints", ignore_errors=True)
    return model_dir


def clf_settings(config: Config, seed: int) -> RunSettings:
    """Settings of the stage clf, those of the configuration."""
    return parse_run_settings(
        {
            "mode": "clf",
            "seed": seed,
            "targets": config.data.targets,
            "fingerprint": config.fingerprint,
            "spelling": config.data.spelling,
            "model": config.model.model_dump(mode="json"),
            "training": config.training.for_mode("clf").model_dump(mode="json"),
        }
    )


def write_examples(data: SampleData, ids: Mapping[str, NDArray[np.int64]], folder: Path) -> dict[str, Path]:
    """Copy Examples of some molecules.

    Args:
        data: Examples of all.
        ids: Name of a file -> ids of its molecules, int64 [n].
        folder: Receives the files.

    Returns:
        Name -> file, its Examples in the order of `ids`.
    """
    found: dict[int, bytes] = {}
    for batch in read_examples(data.files(Subset.TRAIN), [FEATURE_MOLECULE_ID], n_targets=0):
        found |= dict(zip(batch.columns[FEATURE_MOLECULE_ID].tolist(), batch.serialized.numpy(), strict=True))
    files = {name: folder / f"{name}.gz" for name in ids}
    for name, path in files.items():
        with open_examples(path) as write:
            for number in ids[name].tolist():
                write(found[number])
    return files


def score_transformer(
    model_dir: Path, data: SampleData, ids: NDArray[np.int64], n_targets: int, folder: Path
) -> NDArray[np.float32]:
    """Log-odds as the exported transformer serves them.

    Args:
        model_dir: From `train_on_draw`.
        data: Examples of all molecules.
        ids: int64 [n], the molecules to score.
        n_targets: Number of targets.
        folder: Receives their Examples.

    Returns:
        float32 [n, n_targets], in the order of `ids`.
    """
    file = write_examples(data, {"held_out": ids}, folder)["held_out"]
    served = Signature(model_dir, SIGNATURE_EXAMPLES)
    batches = read_examples([file], [FEATURE_MOLECULE_ID], n_targets=n_targets, batch_size=1_024)
    return np.concatenate([transformer_odds(served(batch.serialized)).numpy() for batch in batches])
