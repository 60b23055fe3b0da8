"""model_card.md: what a reader of the model needs, beside the same figures as the page."""

import json
from pathlib import Path
from typing import Any

import pytest

from belka.provenance import Record, write_provenance
from components.affinity_evaluator.gate import Verdict
from components.affinity_evaluator.settings import ReleaseSettings
from components.affinity_evaluator.units import ResampledUnit


def test_card_and_page_say_which_molecules_trained(written: tuple[str, str]) -> None:
    assert "- The stage clf trained on the molecules of train.\n" in written[1]
    for text in written:
        assert "No stage trained on molecules of validation." in text
        assert "transductive" not in text


def test_card_and_page_say_what_else_trained(new_bench: Any, tmp_path: Path) -> None:
    """As versions did that let mlm train on everything: such a model may be evaluated again."""
    bench = new_bench(tmp_path)
    settings = {"custom_config": {"mode": "mlm"}, "train_args": {"splits": ["train", "validation", "test"]}}
    write_provenance(bench.folder, Record(step="trainer-mlm", output="model", settings=settings))
    page, card = bench.report(Verdict(blessed=True, reasons=()))
    for text in (page, card):
        assert "Molecules of validation, without their labels, were in the training data of mlm." in text
        assert "transductive" in text


def test_card_and_page_say_what_intervals_resample(bench: Any, written: tuple[str, str]) -> None:
    for text in written:
        assert "Intervals resample molecules: with few new blocks" in text
    for text in bench.report(Verdict(blessed=True, reasons=()), unit=ResampledUnit("blocks", 1054)):
        assert "Intervals of molecules with new blocks resample those 1,054 building blocks" in text
        assert "Intervals resample molecules" not in text


def test_card_has_what_a_reader_of_the_model_needs(written: tuple[str, str]) -> None:
    card = written[1]
    for text in (
        "---\nlibrary_name: belka\n",
        "## Licence and terms of use\nNo licence was given for these weights (`release.license`)",
        "their content, SHA-256: train.csv aa11",
        "## Limits",
        "scikit-learn ",
        "enrichment 0.1%",
    ):
        assert text in card


def test_card_names_the_licence_that_was_given(bench: Any) -> None:
    link = "https://example.org/terms"
    release = ReleaseSettings(license="other", license_name="ours-1.0", license_link=link)
    _, card = bench.report(Verdict(blessed=True, reasons=()), release=release)
    assert f"as whoever published them set it: ours-1.0 ({link})." in card
    assert "No licence was given" not in card


@pytest.mark.parametrize(
    ("fingerprint", "named", "needs"),
    [
        (None, "ECFP of 2048 bits, radius 2, with chirality", " and RDKit, which computes"),
        (
            {"size": 64, "radius": 3, "chirality": False},
            "ECFP of 64 bits, radius 3, without chirality",
            " and RDKit, which computes",
        ),
        (
            {"size": 168, "radius": 2, "chirality": True, "kind": "maccs"},
            "MACCS of 168 bits",
            ", RDKit and scikit-fingerprints, which compute",
        ),
    ],
)
def test_card_names_the_fingerprint(
    new_bench: Any, fingerprint: dict[str, Any] | None, named: str, needs: str, tmp_path: Path
) -> None:
    bench = new_bench(tmp_path)
    (tmp_path / "Format-Serving" / "belka.json").write_text(
        json.dumps({"model": {"ecfp_branch": True}, "ecfp": fingerprint})
    )
    _, card = bench.report(Verdict(blessed=True, reasons=()))
    assert f"their packed fingerprints: {named})" in card
    assert f"needs this folder{needs} the fingerprints." in card


def test_card_names_members_and_their_weights(new_bench: Any, tmp_path: Path) -> None:
    bench = new_bench(tmp_path)
    blend = {
        "molecules": 200_000,
        "molecules_found": 3_000_000,
        "weights": {"BRD4": {"linear": 0.25, "net": 0.5}},
        "transformer_share": 0.35,
    }
    (tmp_path / "Format-Serving" / "belka.json").write_text(
        json.dumps({"model": {"ecfp_branch": False}, "members": ["transformer", "linear", "net"], "blend": blend})
    )
    _, card = bench.report(Verdict(blessed=True, reasons=()))
    assert "a blend of transformer, linear, net" in card
    assert "35% is the transformer's" in card
    assert "200,000 of 3,000,000 labelled molecules" in card
    assert "| protein | linear | net |\n|---|---|---|\n| BRD4 | 0.250 | 0.500 |\n" in card
    assert "`features`" in card
