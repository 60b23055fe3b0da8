"""The TFX component Ensemble."""

from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.types.standard_artifacts import Examples, Model
from tfx.utils import path_utils

from belka.settings import DataSettings, NodeSettings, SystemSettings
from components.ensemble.settings import EnsembleSettings
from components.ensemble.train import EnsembleRequest, train_ensemble
from components.recording import recorded_component

WORK_FOLDER = "checkpoints"  # below data.output_dir, with those of the trainers


@recorded_component
def Ensemble(  # noqa: N802 - TFX names a component after its function
    examples: InputArtifact[Examples],
    transformer: InputArtifact[Model],
    model: OutputArtifact[Model],
    settings: Parameter[str],
) -> None:
    """Train the members beside the transformer and export all as one model.

    Args:
        examples: From MoleculeTransform, with the splits `train` and `validation`.
        transformer: From the Trainer of the stage clf.
        model: Receives the SavedModel where the Trainer puts its own.
        settings: Sections `data`, `ensemble`, `model` and `system`, see `belka.settings.NodeSettings`.
    """
    received = NodeSettings(settings)
    data = received.section("data", DataSettings)
    train_ensemble(
        Path(examples.uri),
        Path(transformer.uri),
        Path(path_utils.serving_model_dir(model.uri)),
        EnsembleRequest(
            members=tuple(received.value("model", "members")),
            targets=data.targets,
            settings=received.section("ensemble", EnsembleSettings),
            seed=received.section("system", SystemSettings).seed,
        ),
        work_dir=Path(data.output_dir) / WORK_FOLDER,
    )
