"""Settings of the evaluation and its gate."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from belka.contract import Node
from belka.settings import StrictSection, decides
from components.affinity_evaluator.bootstrap import BootstrapSettings

BaselineName = Literal["blocks", "logistic", "lightgbm"]


class GateSettings(StrictSection):
    """What a model must reach to be pushed."""

    DECIDES: ClassVar = (Node.AFFINITY_EVALUATOR,)

    min_mean_average_precision: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        description="Mean average precision on validation below which a model is not pushed.",
    )
    slice_floors: dict[str, Annotated[float, Field(ge=0.0, le=1.0)]] = Field(
        default_factory=dict,
        description="Least average precision of single slices: {BRD4/shared: 0.3, sEH/non_shared: 0.1}.",
    )
    must_beat: tuple[BaselineName, ...] = Field(
        default=(),
        strict=False,
        description="Baselines whose mean average precision a model must exceed to be pushed: blocks (the building "
        "blocks alone), logistic (logistic regression on the fingerprint bits), lightgbm (boosted trees on them).",
    )
    max_slice_regression: float = Field(
        default=0.05,
        ge=0.0,
        le=1.0,
        description="Average precision that any slice may lose against the pushed model; "
        "on the mean a model must be better.",
    )
    min_comparison_molecules: int = Field(
        default=500,
        ge=1,
        description="Fewest validation molecules, seen in training by neither, on which a model is compared with the "
        "pushed one; all of validation is always enough.",
    )
    replace_champion: bool = Field(
        default=False,
        description="Push a model that holds the floors without comparing it with the pushed one, such as where "
        "the two cannot be compared.",
    )


class ReleaseSettings(StrictSection):
    """What whoever publishes a model says of it, for the header of its model card; nothing is assumed."""

    DECIDES: ClassVar = (Node.AFFINITY_EVALUATOR,)

    license: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9][a-z0-9.+-]*$",
        description="Licence of the weights, as Hugging Face's Hub names licences (cc-by-nc-4.0), or other; none = the "
        "model card says that none was given.",
    )
    license_name: str | None = Field(
        default=None, min_length=1, description="Its name, where the licence is other (my-institute-terms-1.0)."
    )
    license_link: str | None = Field(
        default=None, pattern=r"^https?://", description="Where its text stands, where the licence is other."
    )
    datasets: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(), strict=False, description="Names on Hugging Face's Hub of the data sets that the model learnt from."
    )

    @model_validator(mode="after")
    def _another_licence_is_named(self) -> Self:
        if self.license == "other" and not (self.license_name and self.license_link):
            raise ValueError("license other needs license_name and license_link")
        return self


class EvaluationSettings(GateSettings):
    """What a model must reach to be pushed, and how that is measured."""

    baseline_molecules: int = Field(
        default=200_000,
        ge=0,
        description="Labelled training molecules that the baselines are trained on; of more, a random sample of this "
        "size. 0 = no baselines.",
    )
    bootstrap_samples: int = Field(default=1000, ge=1, description="Resamples behind each confidence interval.")
    confidence: float = Field(default=0.95, gt=0.0, lt=1.0, description="Confidence of the intervals.")
    draws: int = Field(
        default=0,
        ge=0,
        le=100,
        json_schema_extra=decides(Node.ENSEMBLE, Node.AFFINITY_EVALUATOR),
        description="Times that the training molecules are split anew, as a test would split them: the members beside "
        "the transformer and the baselines train on each split, and the report tells mean, spread and gains. For small "
        "data, where one split is luck; each takes as long as the members took. Takes members that read blocks.",
    )
    batch_size: int = Field(default=1024, ge=1, json_schema_extra=decides(), description="Molecules scored at once.")

    @model_validator(mode="after")
    def _baselines_are_there(self) -> Self:
        if self.must_beat and not self.baseline_molecules:
            raise ValueError("must_beat names baselines, but baseline_molecules = 0 trains none")
        if self.draws and not self.baseline_molecules:
            raise ValueError("draws compares with the baselines, but baseline_molecules = 0 trains none")
        return self

    def bootstrap(self, seed: int) -> BootstrapSettings:
        """How intervals are computed, with the seed of the run."""
        return BootstrapSettings(self.bootstrap_samples, self.confidence, seed)

    def gate(self) -> GateSettings:
        """The floors alone, as evaluation.json holds them."""
        return GateSettings(**self.model_dump(include=set(GateSettings.model_fields)))
