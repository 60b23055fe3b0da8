"""The TFX component AffinityEvaluator."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from tfx.components.evaluator import constants
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.types.standard_artifacts import Examples, Model, ModelBlessing, ModelEvaluation, ModelRun
from tfx.utils import path_utils

from belka.contract import CHAMPION_PROPERTY, MODEL_CARD_FILE, PREDICTIONS_FILE, RELEASE_FOLDER, Subset
from belka.examples import list_examples
from belka.files import atomic_path
from belka.models.draw_scores import read_draw_scores
from belka.models.selection_scores import SelectionScores, write_selection_scores
from belka.models.training_blocks import write_training_blocks
from belka.models.unseen import Unseen, write_unseen
from belka.places.names import local_of
from belka.provenance import read_provenance
from belka.settings import DataSettings, NodeSettings, SystemSettings
from components.affinity_evaluator.baselines.compare import TrainingSource
from components.affinity_evaluator.comparison import ChampionSource
from components.affinity_evaluator.evaluate import Evaluation, evaluate_model
from components.affinity_evaluator.predictions import Predictions, read_predictions
from components.affinity_evaluator.report.explained import explain_best
from components.affinity_evaluator.report.report import ReportSources, write_report
from components.affinity_evaluator.settings import EvaluationSettings, ReleaseSettings
from components.affinity_evaluator.training_data import what_it_never_saw
from components.affinity_evaluator.units import NewBlocks
from components.artifact_types import Molecules
from components.recording import recorded_component


@recorded_component
def AffinityEvaluator(  # noqa: N802, PLR0913, PLR0917 - TFX: artifacts and parameters are the arguments
    examples: InputArtifact[Examples],
    molecules: InputArtifact[Molecules],
    model: InputArtifact[Model],
    evaluation: OutputArtifact[ModelEvaluation],
    blessing: OutputArtifact[ModelBlessing],
    settings: Parameter[str],
    champion_dir: Parameter[str],
    mlm_run: InputArtifact[ModelRun] = None,
    mtr_run: InputArtifact[ModelRun] = None,
    fps_run: InputArtifact[ModelRun] = None,
    clf_run: InputArtifact[ModelRun] = None,
) -> None:
    """Measure a model on the validation split and bless it when it holds the floors, beats baselines and the champion.

    The model in production is found when the component runs and is no part of the cache key: the same model on the same
    data keeps its verdict. The Pusher notices when another one goes into production between the verdict and the push.

    Args:
        examples: From MoleculeTransform, with the splits `validation` and, for the baselines, `train`.
        molecules: From ParquetMerge: building blocks of the Examples, and SMILES for a champion of another vocabulary.
        model: From the Trainer.
        evaluation: Receives `evaluation.json`, `predictions.parquet`, `report.html`, `model_card.md`, those of
            baselines (`<name>_predictions.parquet`) and, with a champion, `champion_predictions.parquet`.
        blessing: Receives the empty file `BLESSED` or `NOT_BLESSED` and the custom properties of TFX's Evaluator, so
            that the standard Pusher understands it; and the folder `release`, whose files the Pusher puts beside the
            model.
        settings: Sections `data`, `evaluation`, `release` and `system`, see `belka.settings.NodeSettings`.
        champion_dir: Folder of the pushed models, where champion.json names the one in production.
        mlm_run: From the Trainer of the stage mlm, for its training curve; likewise the next three.
        mtr_run: See `mlm_run`.
        fps_run: See `mlm_run`.
        clf_run: See `mlm_run`.
    """
    received = NodeSettings(settings)
    targets = received.section("data", DataSettings).targets
    model_dir, evaluation_dir = Path(path_utils.serving_model_path(model.uri)), Path(evaluation.uri)
    evaluation_settings = received.section("evaluation", EvaluationSettings)
    unseen = what_it_never_saw(read_provenance(Path(model.uri)), Path(molecules.uri))
    result = evaluate_model(
        model_dir,
        list_examples(Path(examples.uri), Subset.VALIDATION.split),
        evaluation_dir,
        targets=targets,
        settings=evaluation_settings,
        seed=received.section("system", SystemSettings).seed,
        champion=ChampionSource(local_of(champion_dir), Path(molecules.uri), unseen),
        training=TrainingSource(
            list_examples(Path(examples.uri), Subset.TRAIN.split),
            Path(molecules.uri),
            read_draw_scores(Path(model.uri)) if evaluation_settings.draws else (),
        ),
    )
    runs = {"mlm": mlm_run, "mtr": mtr_run, "fps": fps_run, "clf": clf_run}
    predictions = read_predictions(evaluation_dir / PREDICTIONS_FILE, len(targets))
    explained = explain_best(model_dir, predictions, Path(molecules.uri), targets)
    sources = ReportSources(Path(model.uri), Path(molecules.uri), _folders(runs), explained)
    write_report(result, evaluation_dir, sources, targets, received.section("release", ReleaseSettings))
    _release(Path(blessing.uri) / RELEASE_FOLDER, evaluation_dir, Path(molecules.uri), unseen, predictions)
    _bless(blessing, result, model, champion_dir)


def _folders(runs: Mapping[str, ModelRun | None]) -> dict[str, Path]:
    return {stage: Path(run.uri) for stage, run in runs.items() if run is not None}


def _release(
    folder: Path, evaluation_dir: Path, molecules_dir: Path, unseen: Unseen | None, predictions: Predictions
) -> None:
    """Make the folder whose files the Pusher puts beside the model."""
    new_blocks = NewBlocks.read(molecules_dir).of(predictions.ids)
    with atomic_path(folder) as release:
        release.mkdir()
        shutil.copyfile(evaluation_dir / MODEL_CARD_FILE, release / MODEL_CARD_FILE)
        write_training_blocks(molecules_dir, release)
        if unseen is not None:
            write_unseen(unseen, release)
        scores = SelectionScores(predictions.probabilities, predictions.labels, new_blocks)
        write_selection_scores(scores, predictions.ids, release)


def _bless(blessing: ModelBlessing, result: Evaluation, model: Model, champion_dir: str) -> None:
    """Write the verdict as the standard Evaluator does."""
    blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri)
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    verdict, champion = result.verdict, result.champion
    name = constants.BLESSED_FILE_NAME if verdict.blessed else constants.NOT_BLESSED_FILE_NAME
    value = constants.BLESSED_VALUE if verdict.blessed else constants.NOT_BLESSED_VALUE
    with atomic_path(Path(blessing.uri) / name) as temporary:
        temporary.touch()
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, value)
    blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_BLESSING_MESSAGE_KEY, " ".join(verdict.reasons))
    blessing.set_string_custom_property(CHAMPION_PROPERTY, champion.digest if champion else "")
    if champion:
        uri = f"{champion_dir}/{champion.version}"
        blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY, uri)
