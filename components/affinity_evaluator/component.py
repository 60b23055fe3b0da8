"""The TFX component AffinityEvaluator."""

from pathlib import Path

from tfx.components.evaluator import constants
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples, Model, ModelBlessing, ModelEvaluation
from tfx.utils import path_utils

from components.affinity_evaluator.evaluation import evaluate_model
from components.affinity_evaluator.gate import Verdict
from components.atomic import atomic_path
from components.data_contract import Subset


@component
def AffinityEvaluator(  # noqa: N802, PLR0917 - TFX names a component after its function, and takes no keyword-only arguments
    examples: InputArtifact[Examples],
    model: InputArtifact[Model],
    evaluation: OutputArtifact[ModelEvaluation],
    blessing: OutputArtifact[ModelBlessing],
    targets: Parameter[str],
    batch_size: Parameter[int],
    min_mean_average_precision: Parameter[float] = 0.0,
    code_version: Parameter[str] = "",
) -> None:
    """Measure a model on the validation split and bless it when it holds the floors.

    Args:
        examples: From MoleculeTransform, with the split `validation`.
        model: From the Trainer.
        evaluation: Receives `evaluation.json` and `predictions.parquet`.
        blessing: Receives the empty file `BLESSED` or `NOT_BLESSED` and the custom properties of TFX's Evaluator, so that the
            standard Pusher understands it.
        targets: Target names, separated by commas, in the order of the Examples.
        batch_size: Examples scored at a time.
        min_mean_average_precision: Floor of the mean average precision, from 0 to 1.
        code_version: Changes when the code does, so that cached results of older code are not used.
    """
    del code_version
    split_dir = Path(examples.uri) / f"Split-{Subset.VALIDATION.split}"
    result = evaluate_model(
        Path(path_utils.serving_model_path(model.uri)),
        sorted(path for path in split_dir.glob("[!.]*") if path.is_file()),
        Path(evaluation.uri),
        targets=targets.split(","),
        batch_size=batch_size,
        min_mean_average_precision=min_mean_average_precision,
    )
    blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri)
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    _bless(blessing, result.verdict)


def _bless(blessing: ModelBlessing, verdict: Verdict) -> None:
    name = constants.BLESSED_FILE_NAME if verdict.blessed else constants.NOT_BLESSED_FILE_NAME
    value = constants.BLESSED_VALUE if verdict.blessed else constants.NOT_BLESSED_VALUE
    with atomic_path(Path(blessing.uri) / name) as temporary:
        temporary.touch()
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, value)
    blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_BLESSING_MESSAGE_KEY, " ".join(verdict.reasons))
