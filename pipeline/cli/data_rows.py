"""What a run tells at its end about its data: everything that changed or left out a row."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from belka.contract import CONFLICTS_FILE, METRICS_FILE, REJECTED_FILE, Subset
from belka.places.names import place_of
from belka.rejections import OTHER_PROTEIN

# Key of summary.json -> name of the line, and what became of them.
_CHANGED: Final = {
    "twins_joined": ("twins joined", "spellings of molecules that have another one"),
    "smiles_respelled": ("SMILES respelled", "rows with another spelling than RDKit's canonical one"),
    "smiles_names_cut": ("names cut", "rows with text after the SMILES"),
}


def data_rows(metrics: Mapping[str, Any], output_dir: Path, *, rejected_prediction: float) -> Iterator[tuple[str, str]]:
    """Tell what became of rows that were not used as they were given; what did not occur is not told.

    Args:
        metrics: The content of metrics.json.
        output_dir: Where the lists are.
        rejected_prediction: Probability written for test rows that could not be used.

    Yields:
        Name and value of each line.
    """
    yield from _changed_rows(metrics, output_dir)
    files = metrics.get("data", {}).get("files", {})
    for entry in files.values():
        if number := entry.get("other_proteins"):
            yield f"left out, {entry['name']}", f"{number:,} rows of proteins that are not among data.targets"
    # Those of the test file are listed too: each is a row of the submission.
    listed = metrics.get("rejected", {})
    refused = {
        source: {reason: n for reason, n in found.items() if reason != OTHER_PROTEIN}
        for source, found in listed.items()
    }
    for source, by_reason in refused.items():
        name = files.get(source, {}).get("name", source)
        for reason, number in by_reason.items():
            yield f"refused, {name}", f"{number:,} x {reason}"
    if listed:
        yield "", f"listed in {place_of(output_dir / REJECTED_FILE)}"
    without = metrics.get("submission", {}).get("rejected", sum(listed.get(Subset.TEST.split, {}).values()))
    if without:
        rows = "test rows get" if without > 1 else "test row gets"
        yield "not predicted", f"{without:,} {rows} {rejected_prediction} (data.rejected_prediction)"
    if anomalies := metrics.get("data_validation", {}).get("anomalies"):
        yield "anomalies", f"{len(anomalies):,} in the Examples; {place_of(output_dir / METRICS_FILE)} lists them"


def _changed_rows(metrics: Mapping[str, Any], output_dir: Path) -> Iterator[tuple[str, str]]:
    data, examples = metrics.get("data", {}), metrics.get("examples", {})
    if conflicts := data.get("conflicting_pairs"):
        yield "conflicting pairs", f"{conflicts:,} with rows of 0 and of 1; 1 won"
        yield "", f"listed in {place_of(output_dir / CONFLICTS_FILE)}"
    for key, (name, what) in _CHANGED.items():
        if number := data.get(key):
            yield name, f"{number:,} {what}"
    if too_long := examples.get("too_long"):
        yield "too long", f"{too_long:,} molecules are cut after {examples['max_length']} tokens (model.max_length)"
    if unknown := examples.get("unknown_tokens"):
        yield "unknown tokens", f"{unknown:,} read as masked ones: training does not show them"
