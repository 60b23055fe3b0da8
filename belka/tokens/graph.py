"""SMILES to token ids in TensorFlow operations: one graph for MoleculeTransform and for serving.

The tokens are those of belka.tokens.grammar for every string. The graph finds them on the bytes of the whole batch at
once, several times faster than with a regular expression per string. The vocabulary is made of constants of the graph,
so that a saved model needs no file beside it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import tensorflow as tf

from belka.contract import FEATURE_TOKENS, FIRST_TOKEN_ID, LINKER, LINKER_REPLACEMENT, MASK_ID
from belka.tokens.grammar import (
    BRACKET_CLOSE,
    BRACKET_OPEN,
    RING_DIGITS,
    RING_MARK,
    SINGLE_CHARACTERS,
    TWO_LETTER_TOKENS,
)

RAW_SMILES_FEATURE: Final = "smiles"

_NO_TOKEN: Final = -1
_NINE: Final = 9


class SmilesTokenizer(tf.Module):
    """The tokenizer of a saved transform graph.

    It holds the graph's resources, so an object that tracks it (keras.export.ExportArchive.track, an attribute of a
    tf.Module) can be saved with functions that call it.

    Args:
        transform_graph_dir: Folder of the TransformGraph artifact.
    """

    def __init__(self, transform_graph_dir: Path) -> None:
        import tensorflow_transform as tft  # brings Beam along, which the tokens themselves do not need

        super().__init__(name="smiles_tokenizer")
        self._transform = tft.TFTransformOutput(str(transform_graph_dir)).transform_features_layer()

    def __call__(self, smiles: tf.Tensor) -> tf.RaggedTensor:
        """Return the token ids, int64 ragged [batch, n_tokens], of SMILES, string [batch]."""
        return self._transform({RAW_SMILES_FEATURE: smiles})[FEATURE_TOKENS]


class _Text(NamedTuple):
    """A batch of strings as one run of bytes.

    Attributes:
        strings: String [batch].
        characters: uint8 [total], the bytes of all strings.
        splits: int32 [batch + 1], where each string starts; the last is `total`.
    """

    strings: tf.Tensor
    characters: tf.Tensor
    splits: tf.Tensor


# Token ids that replace those of single characters: positions int32 [n], bytes of the batch, each once; ids int32 [n].
_Update = tuple[tf.Tensor, tf.Tensor]


def tokenize(smiles: tf.Tensor, vocabulary: Sequence[str]) -> tf.RaggedTensor:
    """Split SMILES into tokens and look up their ids.

    Args:
        smiles: String [batch], UTF-8.
        vocabulary: The tokens; the index is the id. The first two are [PAD] and [MASK] and are never found in a SMILES.

    Returns:
        int64 ragged [batch, n_tokens].
    """
    ids = {token: position for position, token in enumerate(vocabulary) if position >= FIRST_TOKEN_ID}
    text = _Text(
        strings=smiles,
        characters=tf.io.decode_raw(tf.strings.reduce_join(smiles), tf.uint8),
        splits=tf.concat([[0], tf.cumsum(tf.strings.length(smiles))], axis=0),
    )
    # Longer tokens are few, so only their bytes are looked at again. Brackets come last: they hold the other tokens.
    single = [ids.get(chr(byte), MASK_ID) if chr(byte) in SINGLE_CHARACTERS else _NO_TOKEN for byte in range(256)]
    token_ids = tf.gather(tf.constant(single, tf.int32), tf.cast(text.characters, tf.int32))
    for positions, new_ids in (_halogens(text, ids), _ring_numbers(text, ids), _brackets(text, ids)):
        token_ids = tf.tensor_scatter_nd_update(token_ids, positions[:, tf.newaxis], new_ids)
    kept = tf.where(token_ids != _NO_TOKEN)[:, 0]
    return tf.RaggedTensor.from_row_splits(
        tf.cast(tf.gather(token_ids, kept), tf.int64),
        tf.searchsorted(kept, tf.cast(text.splits, tf.int64), out_type=tf.int64),
        validate=False,
    )


def _find(text: _Text, character: str) -> tf.Tensor:
    """Return where a character of ASCII occurs, int32 [n], ascending."""
    return tf.cast(tf.where(text.characters == ord(character))[:, 0], tf.int32)


def _row_of(text: _Text, positions: tf.Tensor) -> tf.Tensor:
    """Return the string that each byte belongs to, int32 [n]."""
    return tf.searchsorted(text.splits, positions, side="right") - 1


def _halogens(text: _Text, ids: Mapping[str, int]) -> _Update:
    """Find Br and Cl; their second letters are no tokens anyway."""
    positions, token_ids = [], []
    for token in TWO_LETTER_TOKENS:
        first, second = token[0], token[1]
        seconds = _find(text, second)  # no token of its own, so the rarer of the two
        seconds = tf.boolean_mask(seconds, seconds > tf.gather(text.splits, _row_of(text, seconds)))
        firsts = tf.boolean_mask(seconds - 1, tf.gather(text.characters, seconds - 1) == ord(first))
        positions.append(firsts)
        token_ids.append(tf.fill(tf.shape(firsts), ids.get(token, MASK_ID)))
    return tf.concat(positions, axis=0), tf.concat(token_ids, axis=0)


def _ring_numbers(text: _Text, ids: Mapping[str, int]) -> _Update:
    """Find `%` and two digits: the id stands at the `%`, no token at the digits."""
    numbers = range(10**RING_DIGITS)
    table = tf.constant([ids.get(f"{RING_MARK}{number:0{RING_DIGITS}d}", MASK_ID) for number in numbers], tf.int32)
    percents = _find(text, RING_MARK)
    percents = tf.boolean_mask(percents, percents + RING_DIGITS < tf.gather(text.splits, _row_of(text, percents) + 1))
    digits = tf.cast(tf.gather(text.characters, percents[:, tf.newaxis] + [1, 2]), tf.int32) - ord("0")
    numeric = tf.reduce_all((digits >= 0) & (digits <= _NINE), axis=1)
    percents, digits = tf.boolean_mask(percents, numeric), tf.boolean_mask(digits, numeric)
    nothing = tf.fill([2 * tf.size(percents)], _NO_TOKEN)
    token_ids = tf.concat([tf.gather(table, 10 * digits[:, 0] + digits[:, 1]), nothing], axis=0)
    return tf.concat([percents, percents + 1, percents + 2], axis=0), token_ids


def _brackets(text: _Text, ids: Mapping[str, int]) -> _Update:
    """Find bracket tokens: the id stands at the `[`, no token at the other bytes."""
    opens, closes = _find(text, BRACKET_OPEN), _find(text, BRACKET_CLOSE)
    rows = _row_of(text, opens)
    closing = tf.gather(tf.concat([closes, [tf.size(text.characters)]], axis=0), tf.searchsorted(closes, opens))
    in_row = closing < tf.gather(text.splits, rows + 1)
    opens, closing, rows = (tf.boolean_mask(values, in_row) for values in (opens, closing, rows))
    # Of several "[" before one "]" the first starts the token; "[]" holds nothing and is skipped.
    starts_token = (closing != tf.concat([[-1], closing], axis=0)[:-1]) & (closing - opens > 1)
    opens, closing, rows = (tf.boolean_mask(values, starts_token) for values in (opens, closing, rows))
    tokens = tf.strings.substr(
        tf.gather(text.strings, rows), opens - tf.gather(text.splits, rows), closing - opens + 1, unit="BYTE"
    )
    others = tf.ragged.range(opens + 1, closing + 1).values
    nothing = tf.fill(tf.shape(others), _NO_TOKEN)
    return tf.concat([opens, others], axis=0), tf.concat([_bracket_ids(tokens, ids), nothing], axis=0)


def _bracket_ids(tokens: tf.Tensor, ids: Mapping[str, int]) -> tf.Tensor:
    """Look up bracket tokens, string [n] -> int32 [n]; MASK_ID for those the vocabulary lacks."""
    known = [token for token in ids if token.startswith(BRACKET_OPEN)]
    distinct, number = tf.unique(tokens)
    # The linker, wherever it stands in a SMILES, is the end of a bracket token: no other text needs to be searched.
    distinct = tf.strings.regex_replace(distinct, LINKER.replace("[", r"\["), LINKER_REPLACEMENT)
    # Compared with all of the few dozen bracket tokens: unlike a hash table this leaves no resource for an exported
    # model to track.
    matches = tf.where(distinct[:, tf.newaxis] == tf.constant(known, tf.string, shape=[1, len(known)]))
    known_ids = tf.constant([ids[token] for token in known], tf.int32, shape=[len(known)])
    unknown = tf.fill(tf.shape(distinct), MASK_ID)
    distinct_ids = tf.tensor_scatter_nd_update(unknown, matches[:, :1], tf.gather(known_ids, matches[:, 1]))
    return tf.gather(distinct_ids, number)
