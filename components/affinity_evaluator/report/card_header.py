"""The header of a model card as Hugging Face's Hub reads it: YAML with licence, tags and what was measured.

Source: https://huggingface.co/docs/hub/model-cards and its specification of the metadata, model-index included.
"""

from collections.abc import Iterator
from typing import Any, Final

import yaml

from components.affinity_evaluator.evaluate import Evaluation
from components.affinity_evaluator.settings import ReleaseSettings

_LIBRARY: Final = "belka"
_TAGS: Final = ("chemistry", "dna-encoded-library", "drug-discovery", "smiles", "virtual-screening")
# Name of a metric on the Hub -> the attribute of a slice, and what readers see.
_METRICS: Final = {
    "average_precision": ("average_precision", "average precision"),
    "roc_auc": ("roc_auc", "ROC AUC"),
    "brier_score": ("brier", "Brier score"),
}


def card_header(evaluation: Evaluation, release: ReleaseSettings) -> str:
    """Write the header.

    Args:
        evaluation: What was measured.
        release: What whoever publishes the model says of it; what is not said is left out.

    Returns:
        YAML between two lines of hyphens.
    """
    said = {
        "license": release.license,
        "license_name": release.license_name,
        "license_link": release.license_link,
        "datasets": list(release.datasets),
    }
    content = {
        **{name: value for name, value in said.items() if value},
        "library_name": _LIBRARY,
        "tags": list(_TAGS),
        "metrics": list(_METRICS),
        "model-index": [{"name": _LIBRARY, "results": list(_results(evaluation))}],
    }
    return f"---\n{yaml.safe_dump(content, sort_keys=False, allow_unicode=True)}---\n"


def _results(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    """One entry for the mean, and one for each slice that exists."""
    if evaluation.mean_average_precision is not None:
        mean = {"type": "average_precision", "value": float(evaluation.mean_average_precision), "name": "mean"}
        yield _result("binding", "mean over proteins and split groups", [mean])
    for part in evaluation.slices:
        metrics = [
            {"type": name, "value": float(value), "name": f"{title}, {part.name}"}
            for name, (attribute, title) in _METRICS.items()
            if (value := getattr(part, attribute)) is not None
        ]
        if metrics:
            yield _result(f"binding of {part.target}", f"building blocks {part.split_group}", metrics)


def _result(task: str, of: str, metrics: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        # A molecule is a text here, and each protein a class of its own.
        "task": {"type": "text-classification", "name": task},
        "dataset": {"type": "validation", "name": f"validation molecules of the run: {of}", "split": "validation"},
        "metrics": metrics,
    }
