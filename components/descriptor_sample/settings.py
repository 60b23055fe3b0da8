"""Settings of the descriptors that the stage mtr predicts."""

from typing import ClassVar

from pydantic import Field

from belka.contract import Node
from belka.settings import Share, StrictSection, decides


class DescriptorSettings(StrictSection):
    """The molecules whose RDKit descriptors the stage mtr predicts; only where training.stages names it."""

    DECIDES: ClassVar = (Node.DESCRIPTOR_SAMPLE,)

    molecules: int = Field(
        default=100_000,
        ge=100,
        le=10_000_000,
        json_schema_extra=decides(Node.DESCRIPTOR_SAMPLE, unit="molecules"),
        description="Molecules to learn from: training molecules, and recombinations of their building blocks; fewer "
        "where there are fewer. Each takes 5 to 10 ms of a core, and 2 kB of memory.",
    )
    recombined_share: Share = Field(
        default=0.5,
        description="Share of them that are recombinations: products of blocks of training molecules that are in no "
        "other subset.",
    )
    validation_molecules: int = Field(
        default=10_000,
        ge=1,
        json_schema_extra=decides(Node.DESCRIPTOR_SAMPLE, unit="molecules"),
        description="Validation molecules on which the stage stops early; nothing is learnt from them.",
    )
