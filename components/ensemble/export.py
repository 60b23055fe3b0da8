"""Put the members together as one graph, choose the transformer's share, and write the SavedModel."""

import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow as tf

from belka.contract import (
    FEATURE_BINDS,
    FEATURE_BLOCKS,
    FEATURE_ECFP,
    FEATURE_SPLIT_GROUP,
    OUTPUT_PROBABILITIES,
    SIGNATURE_EXAMPLES,
    SIGNATURE_FEATURES,
    SIGNATURE_SMILES,
    WEIGHTS_FILE,
)
from belka.errors import BelkaError
from belka.examples import read_examples
from belka.models.calibration import fit_calibration
from belka.models.description import ModelDescription, write_description
from belka.models.loader import load_saved_model
from components.ensemble import members as parts
from components.ensemble.blend import Blend, choose_share, mean_precision
from components.ensemble.blend_graph import EnsembleGraph, MemberGraphs, Odds
from components.ensemble.graph import ForestGraph, KernelGraph, LibraryGraph, LinearGraph, NetGraph, OddsGraph
from components.ensemble.kept import Arrays
from components.ensemble.members import Training

logger = logging.getLogger(__name__)

_BATCH: Final = 1_024


def member_graphs(training: Training, fits: Mapping[str, Arrays]) -> MemberGraphs:
    """The graphs of the members that were trained.

    Args:
        training: What they learnt from.
        fits: Member -> its arrays; `odds` is what the trees read.
    """
    kernel = fits.get("kernel")
    offset = training.settings.kernel_offset
    return MemberGraphs(
        linear=LinearGraph(parts.linear_fit(fits["linear"])) if "linear" in fits else None,
        library=LibraryGraph(training.library) if fits.keys() - {"linear"} else None,
        kernel=KernelGraph(parts.kernel_fit(kernel), kernel["landmarks"], offset) if kernel else None,
        odds=OddsGraph(parts.odds_counts(fits["odds"])) if "odds" in fits else None,
        trees=ForestGraph(parts.forest_of(fits["trees"])) if "trees" in fits else None,
        net=NetGraph(parts.net_fit(fits["net"])) if "net" in fits else None,
    )


def load_transformer(folder: Path) -> Any:
    """Load the SavedModel of the stage clf.

    Raises:
        BelkaError: TensorFlow cannot load it, or it has no signatures to call.
    """
    loaded = load_saved_model(folder)
    if {SIGNATURE_EXAMPLES, SIGNATURE_SMILES} <= loaded.signatures.keys():
        return loaded
    raise BelkaError(
        "The transformer cannot be taken into the ensemble.",
        received=f"{folder} with the signatures {', '.join(sorted(loaded.signatures))}",
        expected=f"the SavedModel of the stage clf, with {SIGNATURE_EXAMPLES} and {SIGNATURE_SMILES}",
        action="Run the step train_model again.",
    )


def choose_transformer_share(graph: EnsembleGraph, blend: Blend, files: Sequence[Path]) -> tuple[Blend, dict[str, Any]]:
    """Choose how much of the blend the transformer is, and calibrate it, on molecules that no member saw.

    Args:
        graph: The members.
        blend: With weights of the other members.
        files: The Examples of validation.

    Returns:
        The blend with the shares and its calibration, and what was seen; as it was where there are no molecules of
        validation.
    """
    seen = list(_validation_odds(graph, files))
    if not seen:
        return blend, {}
    members, transformer, has_blocks, binds, groups = (np.concatenate(each) for each in zip(*seen, strict=True))
    whole, text = blend.whole_odds(members), blend.text_odds(members)
    share, precision = choose_share(whole[has_blocks], transformer[has_blocks], binds[has_blocks], groups[has_blocks])
    if any(blend.from_text):
        text_share, text_precision = choose_share(text, transformer, binds, groups)
    else:
        text_share, text_precision = 1.0, mean_precision(transformer, binds, groups)
    if all(blend.from_text):  # whether a molecule has blocks makes no difference to any member
        share, precision = text_share, text_precision
    found = {
        "validation_molecules": len(binds),
        "average_precision": precision,
        "average_precision_without_blocks": text_precision,
    }
    chosen = replace(
        blend,
        transformer_share=blend.transformer_share if np.isnan(share) else share,
        transformer_text_share=blend.transformer_text_share if np.isnan(text_share) else text_share,
    )
    calibrated = replace(chosen, calibration=fit_calibration(chosen.odds(members, transformer, has_blocks), binds))
    return calibrated, {name: value for name, value in found.items() if not np.isnan(value)}


def export_ensemble(graph: EnsembleGraph, folder: Path, description: ModelDescription, weights: Path) -> None:
    """Write SavedModel, belka.json and the transformer's weights.

    Signatures:
    - `serving_default`: `examples`, string [batch], serialized Examples as MoleculeTransform writes them.
    - `features`: `smiles`, `ecfp` and `blocks`, string [batch] each, as Examples hold the last two.
    - `smiles`: what the transformer alone makes of a text, and of `ecfp` where it reads fingerprints.
    The first output of each is `probabilities`, float32 [batch, n_targets]; `spread`, likewise, is the standard
    deviation of the members' probabilities.

    Args:
        graph: The members.
        folder: Where to write.
        description: Content of belka.json.
        weights: The transformer's belka.weights.h5.
    """

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def score_examples(examples: Any) -> dict[str, Any]:
        return graph.outputs(graph.example_odds(examples))

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name=name) for name in ("smiles", FEATURE_ECFP, FEATURE_BLOCKS)
        ]
    )
    def score_features(smiles: Any, ecfp: Any, blocks: Any) -> dict[str, Any]:
        return graph.outputs(graph.feature_odds(smiles, ecfp, blocks))

    text = graph.transformer.signatures[SIGNATURE_SMILES]
    names = list(text.structured_input_signature[1])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=name) for name in names])
    def score_text(*values: Any) -> dict[str, Any]:
        return graph.text_outputs(text(**dict(zip(names, values, strict=True)))[OUTPUT_PROBABILITIES])

    tf.saved_model.save(
        graph,
        str(folder),
        signatures={
            SIGNATURE_EXAMPLES: score_examples,
            SIGNATURE_FEATURES: score_features,
            SIGNATURE_SMILES: score_text,
        },
    )
    write_description(folder, description)
    if weights.is_file():  # a later run may start from this model
        shutil.copyfile(weights, folder / WEIGHTS_FILE)


def _validation_odds(graph: EnsembleGraph, files: Sequence[Path]) -> Iterator[tuple[Any, ...]]:
    """Members' and transformer's log-odds, whether there are blocks, labels and split groups, batch by batch."""
    score = tf.function(graph.example_odds, input_signature=[tf.TensorSpec([None], tf.string)])
    names = (FEATURE_BINDS, FEATURE_SPLIT_GROUP)
    for batch in read_examples(files, names, n_targets=len(graph.targets), batch_size=_BATCH):
        odds: Odds = score(batch.serialized)
        yield (*(each.numpy() for each in odds), *(batch.columns[name] for name in names))
