"""Artifact types of the custom components.

`TYPE_NAME` is the importable `components.<Class>` (see components/__init__.py): Kubeflow Pipelines accepts only names
of the form `module.Class`, and no declared properties.
"""

from tfx.types.artifact import Artifact

# What an executor's `Do`, whose name is TFX's, gets and fills: channel -> its artifacts.
Artifacts = dict[str, list[Artifact]]


class Molecules(Artifact):
    """One row per molecule: parquet shards by split, blocks.parquet, summary.json, rejected.parquet."""

    TYPE_NAME = "components.Molecules"


class Vocabulary(Artifact):
    """`vocab.txt`: one token per line, the line number is the id."""

    TYPE_NAME = "components.Vocabulary"


class AnomalyReport(Artifact):
    """`anomalies.json`: what TFX's validators found in the Examples."""

    TYPE_NAME = "components.AnomalyReport"


class BlockFingerprints(Artifact):
    """Fingerprint rows of building blocks and cores with their RDKit version; summary.json with an audit."""

    TYPE_NAME = "components.BlockFingerprints"


class BlockOdds(Artifact):
    """blocks.parquet, pairs.parquet: how often building blocks and pairs bind; summary.json, enrichment.html."""

    TYPE_NAME = "components.BlockOdds"


class Rejections(Artifact):
    """`rejected.parquet`: rows a component could not use, each with its reason."""

    TYPE_NAME = "components.Rejections"


class Submission(Artifact):
    """`submission.csv`: id, binds."""

    TYPE_NAME = "components.Submission"


class Summary(Artifact):
    """`summary.json`: the figures of a component that makes nothing else."""

    TYPE_NAME = "components.Summary"
