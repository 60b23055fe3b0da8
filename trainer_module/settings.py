"""Settings of the model and of its training, free of TensorFlow, so that the command line may import them.

The pipeline's configuration embeds `ModelSettings` and `TrainingSettings`; TFX's Trainer hands them to `run_fn` as the
JSON object that `RunSettings` describes (`custom_config`).
"""

import itertools
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from belka.chemistry.fingerprints import FingerprintSettings
from belka.contract import DEFAULT_TARGETS, Node
from belka.models.members import MEMBERS, TRANSFORMER, MemberKind
from belka.settings import Spelling, StrictSection, decides, merged

Mode = Literal["mlm", "mtr", "fps", "clf"]
MODES: Final[tuple[Mode, ...]] = ("mlm", "mtr", "fps", "clf")
DEFAULT_STAGES: Final[tuple[Mode, ...]] = ("mlm", "fps", "clf")
Precision = Literal["auto", "float32", "float64", "mixed_bfloat16"]
Monitor = Literal["auto", "val_average_precision", "val_loss"]
DEFAULT_ECFP_SIZE: Final = 2048
CHECKPOINTS_FOLDER: Final = "checkpoints"


def _count(default: int, description: str, *, unit: str) -> Any:
    """A field of at least 1 that counts something and decides the result of the trainers."""
    return Field(default=default, ge=1, json_schema_extra=decides(Node.TRAINER, unit=unit), description=description)


class ModelSettings(StrictSection):
    """Architecture. Two models with equal settings and vocabulary have the same weights, shape by shape."""

    DECIDES: ClassVar = (Node.TRAINER,)

    depth: int = Field(
        default=32,
        ge=2,
        le=4096,
        multiple_of=2,
        description="Width of the token representation and of each attention head.",
    )
    num_heads: int = Field(default=8, ge=1, le=128, description="Attention heads, each `depth` wide.")
    num_layers: int = Field(default=4, ge=1, le=64, description="Encoder layers.")
    dropout_rate: float = Field(default=0.1, ge=0.0, lt=1.0, description="Share of activations dropped while training.")
    activation: Literal["gelu", "relu", "silu", "tanh"] = Field(
        default="gelu", description="Non-linearity of the feed-forward blocks."
    )
    max_length: int = Field(
        default=128,
        ge=8,
        le=4096,
        json_schema_extra=decides(Node.TRAINER, Node.MOLECULE_TRANSFORM, unit="tokens"),
        description="Longer molecules are cut here.",
    )
    vocab_size: int | None = Field(
        default=None,
        ge=3,
        description="Rows of the embedding table, PAD and MASK included; null takes the vocabulary's size. A given "
        "value that is smaller than the vocabulary is an error.",
    )
    attention_dropout: bool = Field(
        default=True, description="Drop attention weights too, as the reference does; false changes the maths."
    )
    ecfp_branch: bool = Field(
        default=False,
        description="Add the bits of the fingerprint as a wide branch to the classification head (wide and deep).",
    )
    ecfp_hidden: int = Field(
        default=0, ge=0, le=4096, description="Units of the wide branch's hidden layer; 0 makes the branch linear."
    )
    ecfp_dropout: float = Field(
        default=0.0,
        ge=0.0,
        lt=1.0,
        description="Share of the wide branch's inputs (linear) or hidden units dropped while training.",
    )
    ecfp_l2: float = Field(
        default=1e-5, ge=0.0, description="L2 penalty on the wide branch's kernels (coefficient of the sum of squares)."
    )
    members: tuple[MemberKind, ...] = Field(
        default=(TRANSFORMER,),
        strict=False,
        json_schema_extra=decides(Node.MOLECULE_TRANSFORM, Node.ENSEMBLE),
        description="What the model is blended of: transformer, then any of linear, kernel, trees, net, each once.",
    )

    @property
    def is_blended(self) -> bool:
        """Whether the model has other members than the transformer."""
        return len(self.members) > 1

    @model_validator(mode="after")
    def _members_are_distinct_and_lead_with_the_transformer(self) -> Self:
        if self.members[:1] != (TRANSFORMER,) or len(set(self.members)) != len(self.members):
            others = ", ".join(kind for kind in MEMBERS if kind != TRANSFORMER)
            raise ValueError(f"members must be {TRANSFORMER} first, then any of {others}, each once")
        return self


class StageSettings(StrictSection):
    """Values that replace those of `TrainingSettings` in one stage; null keeps the common value."""

    DECIDES: ClassVar = (Node.TRAINER,)

    epochs: int | None = Field(default=None, ge=1, description="See training.epochs.")
    steps_per_epoch: int | None = Field(default=None, ge=1, description="See training.steps_per_epoch.")
    batch_size: int | None = Field(default=None, ge=1, description="See training.batch_size.")
    learning_rate: float | None = Field(default=None, gt=0.0, description="See training.learning_rate.")
    patience: int | None = Field(default=None, ge=1, description="See training.patience.")
    validations_per_epoch: int | None = Field(default=None, ge=1, description="See training.validations_per_epoch.")
    model_path: str | None = Field(
        default=None,
        min_length=1,
        description="Exported model whose encoder starts the stage; null: that of the stage before.",
    )
    initial_epoch: int | None = Field(
        default=None, ge=0, description="Epochs that count as done when no checkpoint is resumed; null: 0."
    )


class TrainingSettings(StrictSection):
    """How the model is trained. Sizes count molecules or batches over all devices together."""

    DECIDES: ClassVar = (Node.TRAINER,)

    stages: tuple[Mode, ...] = Field(
        default=DEFAULT_STAGES,
        strict=False,
        description="Stages to run, in the order mlm, mtr, fps, clf; each starts from the weights of the one before. "
        "The last is clf.",
    )
    use_test_molecules: bool = Field(
        default=False,
        json_schema_extra=decides(Node.TRAINER, Node.DESCRIPTOR_SAMPLE),
        description="Let mlm, mtr and fps, which need no labels, train on test molecules as well (transductive).",
    )
    batch_size: int = _count(2048, "Molecules in a step, over all devices.", unit="molecules")
    buffer_size: int = _count(
        10_000_000,
        "Most molecules held for shuffling (shards are shuffled already, so at most 262,144 are used).",
        unit="molecules",
    )
    epochs: int = Field(default=1000, ge=1, description="Most epochs; early stopping usually ends training sooner.")
    patience: int = _count(20, "Validations without improvement before stopping.", unit="validations")
    steps_per_epoch: int = _count(
        10_000,
        "Most batches in an epoch. An epoch also ends with the data; data left over feeds the next epoch.",
        unit="batches",
    )
    validation_steps: int = _count(2000, "Most validation batches; fewer if the data ends.", unit="batches")
    validations_per_epoch: int = Field(
        default=1, ge=1, le=1000, description="Validations (and decisions on patience and learning rate) in one epoch."
    )
    masking_rate: float = Field(
        default=0.15,
        gt=0.0,
        lt=1.0,
        description="Share of non-PAD positions the masked language model predicts (stage mlm).",
    )
    epsilon: float = Field(
        default=1e-7, gt=0.0, lt=0.1, description="Clips probabilities inside logarithms of the losses."
    )
    learning_rate: float = Field(default=1e-3, gt=0.0, le=1.0, description="Adam's initial learning rate.")
    gradient_clip_norm: float | None = Field(
        default=1.0,
        gt=0.0,
        description="Most global norm of the gradient; null leaves gradients as they are (the reference).",
    )
    monitor: Monitor = Field(
        default="auto",
        description="What early stopping, the learning rate and the best weights follow. auto: validation average "
        "precision for clf, validation loss for the others.",
    )
    reduce_lr_factor: float = Field(default=0.5, gt=0.0, lt=1.0, description="Learning rate factor on a plateau.")
    reduce_lr_patience: int = _count(5, "Validations without improvement before reducing.", unit="validations")
    min_learning_rate: float = Field(default=1e-6, ge=0.0, description="The learning rate is not reduced below this.")
    bucket_boundaries: tuple[int, ...] = Field(
        default=(64, 72, 80, 96, 128),
        strict=False,
        json_schema_extra=decides(Node.TRAINER, unit="tokens"),
        description="Padded lengths, ascending; a molecule is padded to the first that holds it, or to max_length.",
    )
    precision: Precision = Field(
        default="auto",
        description="auto: mixed_bfloat16 on GPUs that have bfloat16 units, float32 elsewhere. float64 is slow; it "
        "tells rounding from errors. The exported model computes in float32.",
    )
    xla: Literal["auto", "on", "off"] = Field(default="auto", description="Compile the step with XLA; auto is on.")
    device: Literal["auto", "cpu", "gpu"] = Field(
        default="auto",
        json_schema_extra=decides(),
        description="auto uses every visible GPU, else the CPU; gpu warns when there is none.",
    )
    checkpoint_every_steps: int | None = Field(
        default=1000,
        ge=1,
        json_schema_extra=decides(unit="batches"),
        description="Batches between checkpoints; null: only at the end of each epoch.",
    )
    resume: bool = Field(
        default=True,
        json_schema_extra=decides(),
        description="Continue from the last checkpoint of an equal run, if there is one.",
    )
    mlm: StageSettings = Field(default=StageSettings(), description="Values of the stage mlm only.")
    mtr: StageSettings = Field(default=StageSettings(), description="Values of the stage mtr only.")
    fps: StageSettings = Field(default=StageSettings(), description="Values of the stage fps only.")
    clf: StageSettings = Field(default=StageSettings(), description="Values of the stage clf only.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if list(self.stages) != [mode for mode in MODES if mode in self.stages] or self.stages[-1:] != ("clf",):
            raise ValueError(f"stages must be an ordered choice of {', '.join(MODES)} that ends with clf")
        bounds = self.bucket_boundaries
        if any(bound < 1 for bound in bounds) or any(a >= b for a, b in itertools.pairwise(bounds)):
            raise ValueError("bucket_boundaries must be positive and ascending")
        return self

    def for_mode(self, mode: Mode) -> "TrainingSettings":
        """Merge the values of one stage into the common ones.

        Args:
            mode: The stage.

        Returns:
            Settings whose sections of other stages are empty and whose stages, which decide nothing within one, are
            the default. The stage keeps its own section, which tells its own values from common ones.
        """
        stage: StageSettings = getattr(self, mode)
        update: dict[str, Any] = stage.model_dump(exclude_none=True, exclude={"model_path", "initial_epoch"})
        update["stages"] = DEFAULT_STAGES
        update.update((section, StageSettings()) for section in MODES if section != mode)
        return self.model_copy(update=update)


class RunSettings(StrictSection):
    """What `run_fn` reads from TFX's `custom_config`."""

    DECIDES: ClassVar = (Node.TRAINER,)

    mode: Mode = Field(description="Stage of the training order.")
    targets: tuple[str, ...] = Field(
        default=DEFAULT_TARGETS, min_length=1, strict=False, description="Proteins, in the order of the label vector."
    )
    seed: int = Field(default=42, ge=0, lt=2**31, description="Seed of weights, order, masks and dropout.")
    fingerprint: FingerprintSettings = Field(
        default=FingerprintSettings(), description="Fingerprint of the Examples; the exported model names it."
    )
    spelling: Spelling = Field(
        default="canonical",
        description="Spelling of the SMILES; the exported model names it, and prediction keeps to it.",
    )
    model: ModelSettings = Field(default=ModelSettings(), description="Architecture.")
    training: TrainingSettings = Field(default=TrainingSettings(), description="How it is trained.")
    checkpoint_root: str | None = Field(
        default=None,
        json_schema_extra=decides(),
        description="Folder that outlives TFX's executions; checkpoints live below it under a key of settings and "
        "data. null: below the model's run directory, where another execution cannot find them.",
    )
    initial_epoch: int | None = Field(
        default=None,
        ge=0,
        description="Number of the first epoch when no checkpoint is resumed (counts towards epochs).",
    )
    model_path: str | None = Field(
        default=None, description="Exported model whose encoder starts this stage, in place of TFX's base_model."
    )


def parse_run_settings(
    custom_config: Mapping[str, Any], computation: Mapping[str, Any] = MappingProxyType({})
) -> RunSettings:
    """Check TFX's `custom_config` and give it types.

    Args:
        custom_config: JSON object with the fields of `RunSettings`.
        computation: Values that decide no result, from `belka.settings.received_computation`.

    Returns:
        The frozen settings.

    Raises:
        InputError: If a key is unknown or a value is outside its range; the message names every such key.
    """
    values = merged({"training": computation.get("training", {})}, custom_config)
    if output_dir := computation.get("data", {}).get("output_dir"):
        values = {"checkpoint_root": str(Path(output_dir) / CHECKPOINTS_FOLDER), **values}
    return RunSettings.parse(
        values, source="the trainer's custom_config", action="Correct the named keys in the configuration."
    )
