"""Settings of the validation of the Examples."""

from typing import Literal

from pydantic import Field

from belka.contract import Node
from belka.settings import StrictSection, decides


class DataValidationSettings(StrictSection):
    """What TFX's validators look at before training starts."""

    on_anomaly: Literal["fail", "warn", "off"] = Field(
        default="fail",
        json_schema_extra=decides(Node.ANOMALY_GATE),
        description="fail: anomalies stop the run; warn: they are logged; off: nothing is looked at.",
    )
    sample_rate: float = Field(
        default=0.02,
        gt=0.0,
        le=1.0,
        json_schema_extra=decides(Node.STATISTICS_GEN),
        description="Share of each split's shards behind the statistics, at least one shard; shards are shuffled.",
    )
    drift_threshold: float = Field(
        default=0.01,
        ge=0.0,
        le=1.0,
        json_schema_extra=decides(Node.DISTRIBUTION_VALIDATOR),
        description="Largest Jensen-Shannon divergence of the tokens of validation and test from those of train.",
    )

    @property
    def is_on(self) -> bool:
        """Whether the pipeline has the validators."""
        return self.on_anomaly != "off"
