"""The section `tracking`: where finished runs are told to."""

from pydantic import Field

from belka.settings import StrictSection


class TrackingSettings(StrictSection):
    """Which tracking server is told of a run; it decides no result."""

    uri: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="Address of an MLflow server (http://localhost:5000) that is told of every `belka run`, of its "
        "curves while it trains; none = of none. A token or password comes from MLFLOW_TRACKING_TOKEN, or "
        "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.",
    )
    experiment: str = Field(default="belka", min_length=1, description="Name of the experiment there.")
