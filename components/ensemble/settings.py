"""Settings of the members that are trained beside the transformer, and of their blend."""

from typing import ClassVar

from pydantic import Field

from belka.contract import Node
from belka.settings import StrictSection, decides


class EnsembleSettings(StrictSection):
    """The members of a model beside the transformer; model.members names those that are trained."""

    DECIDES: ClassVar = (Node.ENSEMBLE,)

    max_molecules: int = Field(
        default=200_000,
        ge=100,
        json_schema_extra=decides(Node.ENSEMBLE, unit="molecules"),
        description="Training molecules the members learn from; of more, a seeded sample.",
    )
    rounds: int = Field(
        default=8,
        ge=2,
        le=12,
        description="Rounds that each hold out a fifth of the molecules with whole blocks, to score what was not seen.",
    )
    linear_strengths: tuple[float, ...] = Field(
        default=(0.01, 0.03, 0.1),
        min_length=1,
        strict=False,
        description="Values of scikit-learn's C to choose from, for each target.",
    )
    landmarks: int = Field(default=1_500, ge=1, le=20_000, description="Molecules that carry the kernel's weights.")
    kernel_offset: float = Field(
        default=1.0, ge=0.0, description="Added to the similarity of two blocks: the more, the more single blocks say."
    )
    kernel_penalty: float = Field(default=0.3, gt=0.0, description="Weight of the ridge in the kernel regression.")
    trees: int = Field(default=150, ge=1, le=10_000, description="Trees for each target.")
    tree_leaves: int = Field(default=15, ge=2, le=256, description="Most leaves of a tree.")
    tree_learning_rate: float = Field(default=0.05, gt=0.0, le=1.0, description="Share of each tree that is added.")
    net_seeds: int = Field(default=2, ge=1, le=20, description="Networks of other initial weights that are averaged.")
    net_epochs: int = Field(default=15, ge=1, description="Passes over the molecules.")
    transformer_weight: float = Field(
        default=0.2,
        ge=0.0,
        le=1.0,
        description="Share of the transformer in the blend where no validation data tell it.",
    )
