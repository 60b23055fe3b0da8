"""The TFX component Ensemble."""

from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.types.standard_artifacts import Examples, Model
from tfx.utils import path_utils

from belka.models.draw_scores import write_draw_scores
from belka.models.members import needs_blocks
from belka.settings import DataSettings, NodeSettings, SystemSettings
from components.ensemble.measured_draws import score_draws
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
        model: Receives the SavedModel where the Trainer puts its own, and beside it draws.parquet where
            `evaluation.draws` asks for it.
        settings: Sections `data`, `ensemble`, `evaluation`, `model` and `system`, see `belka.settings.NodeSettings`.
    """
    received = NodeSettings(settings)
    data = received.section("data", DataSettings)
    request = EnsembleRequest(
        members=tuple(received.value("model", "members")),
        targets=data.targets,
        settings=received.section("ensemble", EnsembleSettings),
        seed=received.section("system", SystemSettings).seed,
    )
    examples_dir, work_dir = Path(examples.uri), Path(data.output_dir) / WORK_FOLDER
    serving_dir = Path(path_utils.serving_model_dir(model.uri))
    train_ensemble(examples_dir, Path(transformer.uri), serving_dir, request, work_dir=work_dir)
    if (draws := received.value("evaluation", "draws")) and needs_blocks(request.members):
        write_draw_scores(score_draws(examples_dir, request, draws, work_dir=work_dir), Path(model.uri))
