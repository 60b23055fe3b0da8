"""What the stages of a model trained on, as its provenance tells."""

from pathlib import Path

from belka.contract import Subset
from belka.models.unseen import Unseen, find_unseen, read_unseen
from belka.provenance import Provenance


def trained_on(provenance: Provenance | None) -> dict[str, list[str]]:
    """Stage -> the splits whose molecules it trained on, as its Trainer was told."""
    history = provenance.history if provenance else ()
    return {
        record.settings["custom_config"]["mode"]: record.settings["train_args"]["splits"]
        for record in history
        if "train_args" in record.settings
    }


def held_out_note(provenance: Provenance | None) -> str:
    """Say whether any stage trained on molecules of validation; versions before 0.2 let mlm do so."""
    stages = trained_on(provenance)
    seen = [stage for stage, splits in stages.items() if Subset.VALIDATION.split in splits]
    if seen:
        return f"Molecules of validation, without their labels, were in the training data of {', '.join(seen)}."
    return "No stage trained on molecules of validation." if stages else ""


def what_it_never_saw(provenance: Provenance | None, molecules_dir: Path) -> Unseen | None:
    """Tell what a model never saw in training.

    Args:
        provenance: Of the model.
        molecules_dir: The molecules it was trained on: those of its run.

    Returns:
        What it never saw; None where that is not known: the model has no provenance, or a stage started from another
        model that does not tell.
    """
    stages = trained_on(provenance)
    if provenance is None or not stages:
        return None
    bases = [
        Path(path)
        for record in provenance.history
        if (path := record.settings.get("custom_config", {}).get("model_path"))
    ]
    base: Unseen | None = None
    for folder in bases:
        known = read_unseen(folder)
        if known is None:
            return None
        base = known if base is None else base.without(known)
    splits = {split for found in stages.values() for split in found}
    return find_unseen(molecules_dir, [subset for subset in Subset if subset.split in splits], base)
