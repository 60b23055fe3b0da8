"""SMILES to token ids in TensorFlow operations: one graph for MoleculeTransform and for serving.

The tokens equal those of `atomInSmiles.smiles_tokenizer` for every string. Its regular expression takes, from left to right: a
bracket atom `[...]` with at least one character inside, `Br`, `Cl`, one character of an alphabet, or `%` and two digits; a
character that starts none of them is skipped. The graph finds them on the bytes of the whole batch at once, several times
faster than a regular expression a string. The vocabulary is made of constants of the graph, so a saved model needs no file
beside it.

Source: Ucak, Ashyrmamatov, Lee: Improving the quality of chemical language model outcomes with atom-in-SMILES tokenization,
J. Cheminform. 15, 55 (2023).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import tensorflow as tf
import tensorflow_transform as tft

from components.data_contract import FEATURE_TOKENS, FIRST_TOKEN_ID, LINKER, LINKER_REPLACEMENT, MASK_ID
from components.smiles_vocab.token_scan import SINGLE_CHARACTERS

RAW_SMILES_FEATURE: Final = "smiles"
VOCABULARY_KEY: Final = "vocabulary"

_NO_TOKEN: Final = -1
_ZERO, _NINE = b"09"


def raw_feature_spec() -> dict[str, Any]:
    """Return the parsing specification of the raw features: one string a molecule."""
    return {RAW_SMILES_FEATURE: tf.io.FixedLenFeature([], tf.string)}


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


class SmilesTokenizer(tf.Module):
    """The tokenizer of a saved transform graph.

    It holds the graph's resources, so an object that tracks it (keras.export.ExportArchive.track, an attribute of a tf.Module)
    can be saved with functions that call it.

    Args:
        transform_graph_dir: Folder of the TransformGraph artifact.
    """

    def __init__(self, transform_graph_dir: Path) -> None:
        super().__init__(name="smiles_tokenizer")
        self._transform = tft.TFTransformOutput(str(transform_graph_dir)).transform_features_layer()

    def __call__(self, smiles: tf.Tensor) -> tf.RaggedTensor:
        """Return the token ids, int64 ragged [batch, n_tokens], of SMILES, string [batch]."""
        return self._transform({RAW_SMILES_FEATURE: smiles})[FEATURE_TOKENS]


class _Text(NamedTuple):
    """A batch of strings as one run of bytes.

    Attributes:
        strings: String [batch].
        characters: int32 [total], the bytes of all strings.
        rows: int32 [total], the string of each byte.
        splits: int32 [batch + 1], where each string starts; the last is `total`.
    """

    strings: tf.Tensor
    characters: tf.Tensor
    rows: tf.Tensor
    splits: tf.Tensor


def tokenize(smiles: tf.Tensor, vocabulary: Sequence[str]) -> tf.RaggedTensor:
    """Split SMILES into tokens and look up their ids.

    Args:
        smiles: String [batch], UTF-8.
        vocabulary: The tokens; the index is the id. The first two are [PAD] and [MASK] and are never found in a SMILES.

    Returns:
        int64 ragged [batch, n_tokens].
    """
    ids = {token: position for position, token in enumerate(vocabulary) if position >= FIRST_TOKEN_ID}
    text = _as_text(tf.strings.regex_replace(smiles, LINKER.replace("[", r"\["), LINKER_REPLACEMENT))
    token_ids = tf.gather(_single_character_ids(ids), text.characters)
    for token in ("Br", "Cl"):
        first, second = token.encode()
        found = tf.logical_and(text.characters == first, _following(text, 1) == second)
        token_ids = tf.where(found, ids.get(token, MASK_ID), token_ids)
    token_ids = _with_ring_numbers(token_ids, text, ids)
    token_ids = _with_brackets(token_ids, text, ids)

    kept = tf.where(token_ids != _NO_TOKEN)[:, 0]
    return tf.RaggedTensor.from_value_rowids(
        tf.cast(tf.gather(token_ids, kept), tf.int64),
        tf.cast(tf.gather(text.rows, kept), tf.int64),
        nrows=tf.size(smiles, out_type=tf.int64),
        validate=False,
    )


def _as_text(strings: tf.Tensor) -> _Text:
    """Lay a batch of strings out as bytes."""
    lengths = tf.strings.length(strings)
    characters = tf.cast(tf.io.decode_raw(tf.strings.reduce_join(strings), tf.uint8), tf.int32)
    return _Text(
        strings=strings,
        characters=characters,
        rows=tf.repeat(tf.range(tf.size(strings)), lengths),
        splits=tf.concat([[0], tf.cumsum(lengths)], axis=0),
    )


def _following(text: _Text, distance: int) -> tf.Tensor:
    """Return for each byte the one `distance` later in the same string, or -1: int32 [total]."""
    characters = tf.concat([text.characters[distance:], tf.fill([distance], -1)], axis=0)[: tf.size(text.characters)]
    rows = tf.concat([text.rows[distance:], tf.fill([distance], -1)], axis=0)[: tf.size(text.rows)]
    return tf.where(rows == text.rows, characters, -1)


def _single_character_ids(ids: Mapping[str, int]) -> tf.Tensor:
    """Return the id of every byte as a token of its own, int32 [256]; _NO_TOKEN where it is none."""
    table = [_NO_TOKEN] * 256
    for character in SINGLE_CHARACTERS:
        table[ord(character)] = ids.get(character, MASK_ID)
    return tf.constant(table, tf.int32)


def _with_ring_numbers(token_ids: tf.Tensor, text: _Text, ids: Mapping[str, int]) -> tf.Tensor:
    """Put the ids of `%` and two digits at the `%`, and no token at its digits."""
    table = tf.constant([ids.get(f"%{number:02d}", MASK_ID) for number in range(100)], tf.int32)
    percents = tf.cast(tf.where(text.characters == ord("%"))[:, 0], tf.int32)
    ends = tf.gather(text.splits, tf.gather(text.rows, percents) + 1)
    percents = tf.boolean_mask(percents, percents + 2 < ends)
    tens = tf.gather(text.characters, percents + 1) - _ZERO
    ones = tf.gather(text.characters, percents + 2) - _ZERO
    numeric = (tens >= 0) & (tens <= _NINE - _ZERO) & (ones >= 0) & (ones <= _NINE - _ZERO)
    percents, tens, ones = (tf.boolean_mask(values, numeric) for values in (percents, tens, ones))
    positions = tf.concat([percents, percents + 1, percents + 2], axis=0)
    nothing = tf.fill([2 * tf.size(percents)], _NO_TOKEN)
    updates = tf.concat([tf.gather(table, 10 * tens + ones), nothing], axis=0)
    return tf.tensor_scatter_nd_update(token_ids, positions[:, tf.newaxis], updates)


def _with_brackets(token_ids: tf.Tensor, text: _Text, ids: Mapping[str, int]) -> tf.Tensor:
    """Put the ids of bracket tokens at their `[`, and no token at their other bytes."""
    total = tf.size(text.characters)
    opens = tf.cast(tf.where(text.characters == ord("["))[:, 0], tf.int32)
    closes = tf.cast(tf.where(text.characters == ord("]"))[:, 0], tf.int32)
    closing = tf.gather(tf.concat([closes, [total]], axis=0), tf.searchsorted(closes, opens))
    in_row = closing < tf.gather(text.splits, tf.gather(text.rows, opens) + 1)
    opens, closing = tf.boolean_mask(opens, in_row), tf.boolean_mask(closing, in_row)
    # Of several "[" before one "]" the first starts the token; "[]" holds nothing and is skipped.
    starts_token = (closing != tf.concat([[-1], closing], axis=0)[:-1]) & (closing - opens > 1)
    opens, closing = tf.boolean_mask(opens, starts_token), tf.boolean_mask(closing, starts_token)

    steps = tf.concat([tf.ones_like(opens), -tf.ones_like(closing)], axis=0)
    edges = tf.concat([opens, closing + 1], axis=0)[:, tf.newaxis]
    inside = tf.cumsum(tf.tensor_scatter_nd_add(tf.zeros([total + 1], tf.int32), edges, steps))[:-1]
    outside_ids = tf.where(inside > 0, _NO_TOKEN, token_ids)

    rows = tf.gather(text.rows, opens)
    tokens = tf.strings.substr(
        tf.gather(text.strings, rows), opens - tf.gather(text.splits, rows), closing - opens + 1, unit="BYTE"
    )
    return tf.tensor_scatter_nd_update(outside_ids, opens[:, tf.newaxis], _bracket_ids(tokens, ids))


def _bracket_ids(tokens: tf.Tensor, ids: Mapping[str, int]) -> tf.Tensor:
    """Look up bracket tokens, string [n] -> int32 [n]; MASK_ID for those the vocabulary lacks."""
    known = [token for token in ids if token.startswith("[")]
    # Compared with all of the few dozen bracket tokens: unlike a hash table this leaves no resource for an exported model to track.
    matches = tf.where(tokens[:, tf.newaxis] == tf.constant(known, tf.string, shape=[1, len(known)]))
    known_ids = tf.constant([ids[token] for token in known], tf.int32, shape=[len(known)])
    unknown = tf.fill(tf.shape(tokens), MASK_ID)
    return tf.tensor_scatter_nd_update(unknown, matches[:, :1], tf.gather(known_ids, matches[:, 1]))
