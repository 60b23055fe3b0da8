"""The header of a model card: what was measured and what was said, nothing else; read by Hugging Face's library."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from components.affinity_evaluator.bootstrap import BootstrapSettings
from components.affinity_evaluator.evaluate import Evaluation
from components.affinity_evaluator.gate import Verdict
from components.affinity_evaluator.report.card_header import card_header
from components.affinity_evaluator.settings import GateSettings, ReleaseSettings
from components.affinity_evaluator.slices import SliceMetrics
from tests.unit.conftest import Read

SLICES = (
    SliceMetrics("BRD4", "shared", 90, 9, 0.1, 0.75, 0.875, "", brier=0.0625),
    SliceMetrics("HSA", "non_shared", 5, 0, 0.0, None, None, "no molecule binds"),
)
EVALUATION = Evaluation(
    "abc", 95, 0.75, None, SLICES, None, GateSettings(), BootstrapSettings(samples=1), Verdict(blessed=True, reasons=())
)
SHARED = "validation molecules of the run: building blocks shared"


def header(release: ReleaseSettings) -> dict[str, Any]:
    before, text, after = card_header(EVALUATION, release).split("---\n")
    assert before == after == ""
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_slices_that_exist_are_results_and_what_is_not_known_is_left_out() -> None:
    found = header(ReleaseSettings())
    assert not found.keys() & {"license", "license_name", "license_link", "datasets"}
    ((index,)) = found["model-index"]
    assert [(each["task"]["name"], len(each["metrics"])) for each in index["results"]] == [
        ("binding", 1),
        ("binding of BRD4", 3),
    ]
    brier = index["results"][1]["metrics"][2]
    assert brier == {"type": "brier_score", "value": 0.0625, "name": "Brier score, BRD4/shared"}


def test_what_was_said_of_the_release_comes_first() -> None:
    said = {"license": "other", "license_name": "ours", "license_link": "https://example.org/terms"}
    found = header(ReleaseSettings(**said, datasets=("us/library",)))
    assert list(found.items())[:4] == [*said.items(), ("datasets", ["us/library"])]


def test_another_licence_has_a_name_and_a_place() -> None:
    with pytest.raises(ValidationError, match="license other needs license_name and license_link"):
        ReleaseSettings(license="other", license_name="ours")


@pytest.mark.metadata
@pytest.mark.slow
def test_hugging_faces_library_reads_it(tmp_path: Path, read_elsewhere: Read) -> None:
    card = tmp_path / "model_card.md"
    release = ReleaseSettings(license="cc-by-nc-4.0", datasets=("us/library",))
    card.write_text(f"{card_header(EVALUATION, release)}# Model card\n")
    read = read_elsewhere("card", card)
    assert read.returncode == 0, read.stderr[-3000:]
    found = json.loads(read.stdout)
    assert found["header"]["license"] == "cc-by-nc-4.0"
    assert found["header"]["datasets"] == ["us/library"]
    assert found["header"]["library_name"] == "belka"
    assert ["binding of BRD4", SHARED, "average_precision", 0.75] in found["measured"]
    assert len(found["measured"]) == 4
    assert found["text"] == "# Model card\n"
    card.write_text(card.read_text().replace("  - task:", "  - tasks:"))
    assert read_elsewhere("card", card).returncode != 0
