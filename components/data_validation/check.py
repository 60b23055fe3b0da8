"""Read what TFX's validators found, and decide whether the run goes on.

The validators only write anomalies down; nothing in TFX stops on them.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from google.protobuf.message import DecodeError
from tensorflow_metadata.proto.v0 import anomalies_pb2

from belka.contract import ANOMALIES_FILE, Subset, split_folder
from belka.errors import BelkaError, InputError
from belka.files import atomic_path

OnAnomaly = Literal["fail", "warn", "off"]
SCHEMA_DIFF_FILE: Final = "SchemaDiff.pb"

_LISTED: Final = 20

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Anomaly:
    """One finding.

    Attributes:
        where: `train`, or `validation against train` for a drift.
        feature: Feature of the Examples; `dataset` for all of them.
        description: TFDV's words.
    """

    where: str
    feature: str
    description: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.where}: {self.feature}: {self.description}"


def check_anomalies(schema_anomalies: Path, drift_anomalies: Path, output_dir: Path, *, on_anomaly: OnAnomaly) -> None:
    """List the anomalies, keep the list, and stop where it is not empty.

    Args:
        schema_anomalies: Folder written by ExampleValidator: `Split-<name>`.
        drift_anomalies: Folder written by DistributionValidator: `SplitPair-<split>_<baseline>`.
        output_dir: Receives anomalies.json.
        on_anomaly: `fail`: raise; `warn`: log.

    Raises:
        InputError: There are anomalies, and `on_anomaly` is `fail`.
        BelkaError: A validator's result is missing or damaged.
    """
    anomalies = read_anomalies(schema_anomalies, drift_anomalies)
    with atomic_path(output_dir / ANOMALIES_FILE) as temporary:
        content = {"on_anomaly": on_anomaly, "anomalies": [asdict(anomaly) for anomaly in anomalies]}
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if anomalies and on_anomaly == "fail":
        listed = [str(anomaly) for anomaly in anomalies[:_LISTED]]
        more = [f"and {len(anomalies) - _LISTED} more"] if len(anomalies) > _LISTED else []
        counted = "1 anomaly" if len(anomalies) == 1 else f"{len(anomalies)} anomalies"
        raise InputError(
            f"The Examples are not what the schema says: {counted}.",
            received="\n    ".join(["", *listed, *more]),
            expected="Examples as components/data_validation/schema.pbtxt says, and splits that resemble train",
            action="Look at the raw data behind them; data_validation.on_anomaly=warn lets the run go on, "
            "data_validation.drift_threshold says how far splits may differ.",
        )
    for anomaly in anomalies:
        logger.warning("Anomaly in the Examples: %s", anomaly)


def read_anomalies(schema_anomalies: Path, drift_anomalies: Path) -> list[Anomaly]:
    """List what both validators found, by split, then by feature.

    A validation or test split without molecules is legal; it is compared with nothing.

    Args:
        schema_anomalies: See `check_anomalies`.
        drift_anomalies: See `check_anomalies`.

    Raises:
        BelkaError: A result is missing or damaged.
    """
    found: list[Anomaly] = []
    empty: set[str] = set()
    for subset in Subset:
        split = subset.split
        result = _read(schema_anomalies / split_folder(split) / SCHEMA_DIFF_FILE)
        if result.data_missing:
            empty.add(split)
            found += [Anomaly(split, "dataset", "no molecule")] if subset is Subset.TRAIN else []
        else:
            found += _listed(result, split)
    for pair in sorted(drift_anomalies.glob("SplitPair-*")):
        split, _, baseline = pair.name.removeprefix("SplitPair-").partition("_")
        if not empty & {split, baseline}:
            found += _listed(_read(pair / SCHEMA_DIFF_FILE), f"{split} against {baseline}")
    return found


def _listed(result: anomalies_pb2.Anomalies, where: str) -> Iterator[Anomaly]:
    for feature, info in sorted(result.anomaly_info.items()):
        yield from (Anomaly(where, feature, reason.description) for reason in info.reason)
    yield from (Anomaly(where, "dataset", reason.description) for reason in result.dataset_anomaly_info.reason)


def _read(path: Path) -> anomalies_pb2.Anomalies:
    try:
        return anomalies_pb2.Anomalies.FromString(path.read_bytes())
    except (OSError, DecodeError) as error:
        raise BelkaError(
            "What the validators found cannot be read.",
            received=f"{path}: {error}",
            expected=f"{SCHEMA_DIFF_FILE} as TFX writes it",
            action="Run the step make_dataset again.",
        ) from error
