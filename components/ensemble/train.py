"""Train the members beside the transformer, blend all, and export one SavedModel."""

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from belka.code_version import code_version
from belka.contract import WEIGHTS_FILE, Subset
from belka.errors import InputError
from belka.examples import list_examples
from belka.models.description import ModelDescription, read_description, unreadable_description
from belka.models.folder import find_saved_model
from belka.models.members import MEMBERS, TRANSFORMER, needs_blocks
from belka.progress import counted
from components.ensemble import members
from components.ensemble.blend import Blend, fit_lines, fit_weights
from components.ensemble.blend_graph import EnsembleGraph
from components.ensemble.export import choose_transformer_share, export_ensemble, load_transformer, member_graphs
from components.ensemble.kept import KEPT_FOLDER, Arrays
from components.ensemble.library import Floats
from components.ensemble.members import Training
from components.ensemble.settings import EnsembleSettings
from components.ensemble.training_data import LabelledMolecules, read_molecules

logger = logging.getLogger(__name__)

_FEWEST: Final = 100  # molecules with blocks, below which no member learns from blocks
_READ_BY_TREES: Final = ("kernel", "odds")


@dataclass(frozen=True)
class EnsembleRequest:
    """What is wanted.

    Attributes:
        members: Kinds, the transformer first.
        targets: Proteins, in the order of the labels.
        settings: The section `ensemble`.
        seed: `system.seed`.
    """

    members: tuple[str, ...]
    targets: tuple[str, ...]
    settings: EnsembleSettings
    seed: int


def train_ensemble(
    examples_dir: Path, transformer_dir: Path, model_dir: Path, request: EnsembleRequest, *, work_dir: Path
) -> ModelDescription:
    """Train, blend and export.

    Args:
        examples_dir: Examples with the splits train and validation.
        transformer_dir: The model of the stage clf.
        model_dir: Receives the SavedModel, belka.json and the transformer's weights.
        request: What is wanted.
        work_dir: Keeps finished members until the whole is done, so that a killed step goes on.

    Returns:
        The content of belka.json.

    Raises:
        BelkaError: Examples or the model cannot be read.
        InputError: Examples have no labels, or other targets than the model.
    """
    source = find_saved_model(transformer_dir)
    described = read_description(source)
    if described is None:
        raise unreadable_description(source, "the file does not exist")
    if described.targets != request.targets:
        raise InputError(
            "The members would be trained for other targets than the transformer.",
            received=f"data.targets {list(request.targets)}, and {list(described.targets)} in {source}",
            expected="equal targets in equal order",
            action="Run the step train_model with the configuration of the step make_dataset.",
        )
    molecules = training_molecules(examples_dir, request)
    logger.info("Members learn from %d of %d labelled molecules.", len(molecules.ids), molecules.found)
    kept_dir = kept_folder(work_dir, request, molecules)
    training = Training(molecules, request.settings, request.seed, kept_dir)
    check_blocks(training, request.members)
    fits = train_members(training, request.members)
    blend = fit_blend(training, fits, request)
    transformer, graphs = load_transformer(source), member_graphs(training, fits)

    def graph_of(blend: Blend) -> EnsembleGraph:
        return EnsembleGraph(transformer, graphs, blend, molecules.ecfp.shape[1], request.targets)

    validation = list_examples(examples_dir, Subset.VALIDATION.split)
    blend, seen = choose_transformer_share(graph_of(blend), blend, validation)
    blending = {**_told(training, blend, request), **seen}
    logger.info("The blend: %s", json.dumps(blending))
    description = replace(
        described, members=request.members, blend=blending, calibration=blend.calibration, code=code_version()
    )
    export_ensemble(graph_of(blend), model_dir, description, source / WEIGHTS_FILE)
    shutil.rmtree(kept_dir, ignore_errors=True)
    return description


def training_molecules(examples_dir: Path, request: EnsembleRequest) -> LabelledMolecules:
    """The labelled molecules of the training split, of many a sample."""
    return read_molecules(
        list_examples(examples_dir, Subset.TRAIN.split),
        n_targets=len(request.targets),
        max_molecules=request.settings.max_molecules,
        seed=request.seed,
        with_blocks=needs_blocks(request.members),
    )


def train_members(training: Training, kinds: Sequence[str]) -> dict[str, Arrays]:
    """Train the members beside the transformer one after another, and those that the trees read.

    Args:
        training: What they learn from.
        kinds: `model.members`.

    Returns:
        Kind -> its arrays, with `odds` where there are trees.
    """
    makers: dict[str, Callable[[], Arrays]] = {
        "linear": lambda: members.train_linear(training),
        "kernel": lambda: members.train_kernel(training),
        "odds": lambda: members.train_odds(training),
        "trees": lambda: members.train_trees(training, *(fits[name] for name in _READ_BY_TREES)),
        "net": lambda: members.train_net(training),
    }
    needed = {*kinds, *(_READ_BY_TREES if "trees" in kinds else ())}
    fits: dict[str, Arrays] = {}
    for kind, make in counted(makers.items(), "training members", "members", len(makers)):
        if kind in needed:
            start = time.monotonic()
            fits[kind] = make()
            logger.info("%s: %.0f s.", kind.capitalize(), time.monotonic() - start)
    return fits


def fit_blend(training: Training, fits: Mapping[str, Arrays], request: EnsembleRequest) -> Blend:
    """Learn lines and weights from what members say of molecules they did not learn from.

    Args:
        training: What they learnt from.
        fits: From `train_members`.
        request: Which are blended; the share of the transformer where validation does not tell it.
    """
    kinds = [kind for kind in request.members if kind != TRANSFORMER]
    scores = {kind: _of_all(training, kind, fits[kind]["out_of_fold"]) for kind in kinds}
    binds = training.binds[training.rows]
    lines = {kind: fit_lines(values, binds) for kind, values in scores.items()}
    odds = np.stack([scores[kind] * line.slope + line.offset for kind, line in lines.items()], axis=2)
    weights, offsets = fit_weights(odds, binds)
    from_text = [not MEMBERS[kind].reads_blocks for kind in kinds]
    text_weights, text_offsets = fit_weights(odds[:, :, from_text], binds)
    share = request.settings.transformer_weight
    return Blend(lines, weights, offsets, text_weights, text_offsets, share, share if any(from_text) else 1.0)


def _of_all(training: Training, kind: str, scores: Floats) -> Floats:
    """Scores of all rows; NaN where there are no blocks that the member reads, and in rounds that it did not score."""
    found = np.full((len(training.rows), scores.shape[1]), np.nan, np.float32)
    places = training.rows_with_blocks if MEMBERS[kind].reads_blocks else np.arange(len(training.rows))
    found[places[: len(scores)]] = scores
    return found


def _told(training: Training, blend: Blend, request: EnsembleRequest) -> dict[str, Any]:
    """What belka.json and the log say of the blend."""
    rounded = {
        target: {kind: round(float(weight), 3) for kind, weight in zip(blend.lines, weights, strict=True)}
        for target, weights in zip(request.targets, blend.weights, strict=True)
    }
    return {
        "molecules": len(training.molecules.ids),
        "molecules_found": training.molecules.found,
        "weights": rounded,
        "transformer_share": round(blend.transformer_share, 3),
        "transformer_share_without_blocks": round(blend.transformer_text_share, 3),
        "how": "Weights of the other members are learnt out of fold on training molecules; the transformer's share is "
        "chosen on validation, where it is only one number, and is ensemble.transformer_weight where there is none.",
    }


def check_blocks(training: Training, kinds: Sequence[str]) -> None:
    """Refuse data from which no member can learn.

    Raises:
        InputError: There are too few labelled molecules, or too few with blocks.
    """
    count = len(training.with_blocks) if needs_blocks(kinds) else len(training.binds)
    if count < _FEWEST:
        blocks = " with three building blocks at a triazine core" if needs_blocks(kinds) else ""
        raise InputError(
            "There is too little to train the members of the model on.",
            received=f"{count} labelled training molecules{blocks}",
            expected=f"at least {_FEWEST}",
            action="Set model.members to [transformer], or to [transformer, linear] for molecules without such blocks.",
        )


def kept_folder(work_dir: Path, request: EnsembleRequest, molecules: LabelledMolecules) -> Path:
    """Where trainings whose finished members are the same keep them."""
    settings, digest = request.settings.model_dump_json(), molecules.digest()
    content = [request.members, request.targets, settings, request.seed, digest, code_version()]
    return work_dir / KEPT_FOLDER / hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
