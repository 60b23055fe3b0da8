"""Export a stage as a SavedModel with its serving signatures."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import keras
import tensorflow as tf

from belka.contract import (
    FEATURE_ECFP,
    FEATURE_TOKENS,
    OUTPUT_DESCRIPTORS,
    OUTPUT_PROBABILITIES,
    SIGNATURE_EXAMPLES,
    SIGNATURE_SMILES,
    probability_name,
)
from belka.models.calibration_graph import calibrated_probabilities, log_odds
from belka.tokens.graph import RAW_SMILES_FEATURE, SmilesTokenizer
from trainer_module.export.saved_model import StoredModel, save_model
from trainer_module.export.serving import predict
from trainer_module.input_pipeline.parsing import parse_examples, unpack_bytes
from trainer_module.model import Belka

INPUT_EXAMPLES: Final = "examples"
# Whoever asks for a few SMILES waits for the answer; whoever sends Examples sends many, in batches that no one
# controls.
_COMPILED_FROM: Final = 512

# Probabilities of the model -> what a signature returns.
Outputs = Callable[[Any], dict[str, Any]]


def export_model(stored: StoredModel, transform_graph_dir: Path, folder: Path) -> None:
    """Write SavedModel, weights and configuration.

    Signatures:
    - `serving_default`: `examples`, string [batch], serialized Examples as MoleculeTransform writes them.
    - `smiles`: `smiles`, string [batch], raw SMILES with or without [Dy]; with `model.ecfp_branch` also `ecfp`, string
      [batch], the fingerprints as `numpy.packbits` packs them. A graph cannot spell a molecule anew: it reads the text
      as it stands, and scores another spelling of the molecule as another text. Send the spelling that belka.json names
      (`belka.chemistry.spelling`), or use `belka predict`, which brings any to it.
      Nor does it refuse a text or cut off a name (`belka.chemistry.smiles`): of those it scores the tokens it finds.
    In `serving_default` a molecule's probabilities are the same bits in every batch; in `smiles` small batches agree to
    rounding. The first output of both is `probabilities`, float32: [batch, n_targets] in clf, [batch, ecfp_size] in
    fps, [batch, length, vocab_size] in mlm; in mtr it is `descriptors`, float32 [batch, n_descriptors], on the scale
    that descriptors.json tells. In clf there is also `probability_<target>`, float32 [batch], for each
    target: the names stand in the SavedModel itself. Those of clf are calibrated where `stored` has a calibration.

    Args:
        stored: Model, vocabulary, targets.
        transform_graph_dir: TransformGraph that tokenises SMILES.
        folder: Where to write; made if needed.
    """
    model = Belka.from_config(
        {**stored.model.arguments, "name": "belka", "dtype": "float32"}
    )  # float32, whatever the precision of training
    model.set_weights(stored.model.get_weights())
    tokenizer = SmilesTokenizer(transform_graph_dir)

    targets = stored.targets if model.mode == "clf" else ()

    def outputs(probabilities: Any) -> dict[str, Any]:
        if model.mode == "mtr":
            return {OUTPUT_DESCRIPTORS: probabilities}
        if stored.calibration is not None:
            probabilities = calibrated_probabilities(log_odds(probabilities), stored.calibration)
        return _outputs(probabilities, targets)

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.track(tokenizer)
    archive.add_endpoint(
        SIGNATURE_EXAMPLES,
        _examples_function(model, outputs),
        input_signature=[tf.TensorSpec([None], tf.string, name=INPUT_EXAMPLES)],
    )
    smiles_signature = [tf.TensorSpec([None], tf.string, name=RAW_SMILES_FEATURE)]
    if model.uses_ecfp:
        smiles_signature.append(tf.TensorSpec([None], tf.string, name=FEATURE_ECFP))
    archive.add_endpoint(
        SIGNATURE_SMILES, _smiles_function(model, tokenizer, outputs), input_signature=smiles_signature
    )
    archive.write_out(str(folder), verbose=False)
    save_model(folder, replace(stored, model=model))


def _examples_function(model: Belka, outputs: Outputs) -> Callable[[Any], dict[str, Any]]:
    def predict_examples(examples: Any) -> dict[str, Any]:
        features = parse_examples(
            examples,
            vocab_size=model.arguments["vocab_size"],
            max_length=model.arguments["max_length"],
            ecfp_size=model.ecfp_size if model.uses_ecfp else 0,
        )
        return outputs(predict(model, features))

    return predict_examples


def _smiles_function(model: Belka, tokenizer: SmilesTokenizer, outputs: Outputs) -> Callable[..., dict[str, Any]]:
    max_length: int = model.arguments["max_length"]

    def tokens_of(smiles: Any) -> Any:
        return tf.cast(tokenizer(smiles)[:, :max_length].to_tensor(), tf.int32)

    def predict_smiles(smiles: Any) -> dict[str, Any]:
        inputs = {FEATURE_TOKENS: tokens_of(smiles)}
        return outputs(predict(model, inputs, uncompiled_below=_COMPILED_FROM))

    def predict_smiles_and_ecfp(smiles: Any, ecfp: Any) -> dict[str, Any]:
        inputs = {FEATURE_TOKENS: tokens_of(smiles), FEATURE_ECFP: unpack_bytes(ecfp, model.ecfp_size)}
        return outputs(predict(model, inputs, uncompiled_below=_COMPILED_FROM))

    return predict_smiles_and_ecfp if model.uses_ecfp else predict_smiles


def _outputs(probabilities: Any, targets: Sequence[str]) -> dict[str, Any]:
    # Each has the batch as its first dimension: BulkInferrer and TensorFlow Serving take no other outputs.
    named = {probability_name(target): probabilities[:, i] for i, target in enumerate(targets)}
    return {OUTPUT_PROBABILITIES: probabilities, **named}
