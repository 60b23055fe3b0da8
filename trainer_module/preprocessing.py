"""The `preprocessing_fn` of tensorflow-transform: SMILES to token ids, alike for MoleculeTransform and for serving."""

from collections.abc import Mapping
from typing import Any, Final

import tensorflow as tf

from belka.contract import FEATURE_TOKENS
from belka.tokens.graph import RAW_SMILES_FEATURE, tokenize

VOCABULARY_KEY: Final = "vocabulary"


def preprocessing_fn(inputs: Mapping[str, Any], custom_config: Mapping[str, Any]) -> dict[str, Any]:
    """Turn SMILES into token ids (the `preprocessing_fn` of tensorflow-transform).

    Args:
        inputs: `smiles`: string [batch], with or without the linker [Dy].
        custom_config: `vocabulary`: the tokens as a sequence of strings, the index is the id.

    Returns:
        `tokens`: int64 ragged [batch, n_tokens]; a token the vocabulary lacks has the id of [MASK].
    """
    smiles = tf.reshape(inputs[RAW_SMILES_FEATURE], [-1])
    return {FEATURE_TOKENS: tokenize(smiles, custom_config[VOCABULARY_KEY])}
