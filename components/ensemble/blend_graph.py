"""The whole ensemble as a TensorFlow graph: the trained transformer, the other members, and their blend."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
import tensorflow as tf

from belka.contract import (
    BLOCKS_BYTES,
    FEATURE_BLOCKS,
    FEATURE_ECFP,
    OUTPUT_PROBABILITIES,
    OUTPUT_SPREAD,
    SIGNATURE_EXAMPLES,
    SIGNATURE_SMILES,
    probability_name,
)
from belka.models.calibration_graph import calibrated_probabilities
from components.ensemble.blend import Blend
from components.ensemble.graph import (
    ForestGraph,
    KernelGraph,
    LibraryGraph,
    LinearGraph,
    NetGraph,
    OddsGraph,
    constant,
)

CHUNK: Final = 64  # molecules; their products with 1,100 blocks and 1,500 landmarks take some 5 MB
_PARALLEL: Final = 2
_LEAST: Final = 1e-6  # probability of the transformer below which its log-odds are cut


class MemberGraphs(NamedTuple):
    """The members that a model needs, blended or read by another; None = not needed."""

    linear: LinearGraph | None = None
    library: LibraryGraph | None = None
    kernel: KernelGraph | None = None
    odds: OddsGraph | None = None
    trees: ForestGraph | None = None
    net: NetGraph | None = None


class Odds(NamedTuple):
    """Log-odds of a batch.

    Attributes:
        members: float32 [batch, n_targets, n_members], of the members beside the transformer; those that read blocks
            are worth nothing where a molecule has none.
        transformer: float32 [batch, n_targets].
        has_blocks: bool [batch].
    """

    members: Any
    transformer: Any
    has_blocks: Any


class EnsembleGraph(tf.Module):
    """What is exported.

    Args:
        transformer: The SavedModel of the stage clf, loaded.
        graphs: The other members.
        blend: How they become one.
        ecfp_bytes: Bytes of the feature `ecfp`.
        targets: Proteins, in the order of the outputs.
    """

    def __init__(
        self, transformer: Any, graphs: MemberGraphs, blend: Blend, ecfp_bytes: int, targets: tuple[str, ...]
    ) -> None:
        super().__init__()
        self.transformer, self.targets = transformer, targets
        self._graphs, self._blend, self._ecfp_bytes = graphs, blend, ecfp_bytes
        self._slopes = constant(np.stack([line.slope for line in blend.lines.values()], axis=1))
        self._offsets = constant(np.stack([line.offset for line in blend.lines.values()], axis=1))
        self._weights, self._offset = constant(blend.weights), constant(blend.offsets)
        self._text_weights, self._text_offset = constant(blend.text_weights), constant(blend.text_offsets)

    def example_odds(self, examples: Any) -> Odds:
        """Log-odds of serialized Examples, string [batch]."""
        strings = tf.io.FixedLenFeature([], tf.string, default_value="")
        parsed = tf.io.parse_example(examples, {FEATURE_ECFP: strings, FEATURE_BLOCKS: strings})
        (name,) = self.transformer.signatures[SIGNATURE_EXAMPLES].structured_input_signature[1]
        probabilities = self.transformer.signatures[SIGNATURE_EXAMPLES](**{name: examples})[OUTPUT_PROBABILITIES]
        return self._odds(parsed[FEATURE_ECFP], parsed[FEATURE_BLOCKS], probabilities)

    def feature_odds(self, smiles: Any, ecfp: Any, blocks: Any) -> Odds:
        """Log-odds of SMILES, fingerprints and blocks, string [batch] each."""
        signature = self.transformer.signatures[SIGNATURE_SMILES]
        inputs = {"smiles": smiles, FEATURE_ECFP: ecfp}
        taken = {name: inputs[name] for name in signature.structured_input_signature[1]}
        return self._odds(ecfp, blocks, signature(**taken)[OUTPUT_PROBABILITIES])

    def outputs(self, odds: Odds) -> dict[str, Any]:
        """Probabilities and spread of log-odds, as signatures return them."""
        return self._named(*_in_whole_chunks(self._blended, *odds))

    def _blended(self, members: Any, transformer: Any, has_blocks: Any) -> tuple[Any, Any]:
        """Probabilities and spread, float32 [batch, n_targets] each."""
        share, text_share = self._blend.transformer_share, self._blend.transformer_text_share
        whole = tf.reduce_sum(members * self._weights, axis=2) + self._offset
        whole = (1 - share) * whole + share * transformer
        from_text = tf.boolean_mask(members, self._blend.from_text, axis=2)
        text = tf.reduce_sum(from_text * self._text_weights, axis=2) + self._text_offset
        text = (1 - text_share) * text + text_share * transformer
        alone = transformer[:, :, None]
        spread = tf.where(
            has_blocks[:, None],
            _spread(tf.concat([members, alone], axis=2)),
            _spread(tf.concat([from_text, alone], axis=2)),
        )
        odds = tf.where(has_blocks[:, None], whole, text)
        return calibrated_probabilities(odds, self._blend.calibration), spread

    def text_outputs(self, probabilities: Any) -> dict[str, Any]:
        """The same of the transformer alone."""
        return self._named(probabilities, tf.zeros_like(probabilities))

    def _named(self, probabilities: Any, spread: Any) -> dict[str, Any]:
        named = {probability_name(target): probabilities[:, i] for i, target in enumerate(self.targets)}
        return {OUTPUT_PROBABILITIES: probabilities, OUTPUT_SPREAD: spread, **named}

    def _odds(self, ecfp: Any, blocks: Any, probabilities: Any) -> Odds:
        sizes = tf.strings.length(blocks)
        checks = [
            tf.debugging.Assert(
                tf.reduce_all((sizes == 0) | (sizes == BLOCKS_BYTES)),
                [f"blocks must have {BLOCKS_BYTES} bytes, or none", sizes],
            )
        ]
        if self._graphs.linear is not None:
            checks.append(
                tf.debugging.assert_equal(
                    tf.strings.length(ecfp), self._ecfp_bytes, message=f"ecfp must have {self._ecfp_bytes} bytes"
                )
            )
        with tf.control_dependencies(checks):
            has_blocks = sizes > 0
        whole = tf.where(has_blocks, blocks, tf.constant(bytes(BLOCKS_BYTES)))
        return Odds(self.member_odds(ecfp, whole), _in_whole_chunks(transformer_odds, probabilities), has_blocks)

    def member_odds(self, ecfp: Any, blocks: Any) -> Any:
        """Log-odds by member, in chunks of one size: memory is bounded, and no neighbour changes a rounding.

        Args:
            ecfp: string [batch], packed fingerprints.
            blocks: string [batch], packed blocks, empty nowhere.

        Returns:
            float32 [batch, n_targets, n_members].
        """
        count = tf.shape(blocks)[0]
        chunks = tf.maximum((count + CHUNK - 1) // CHUNK, 1)
        missing = chunks * CHUNK - count

        def cut(values: Any, filler: bytes) -> Any:
            filled = tf.concat([values, tf.fill([missing], tf.constant(filler))], axis=0)
            return tf.reshape(filled, [chunks, CHUNK])

        if self._graphs.linear is None:
            ecfp = tf.fill([count], tf.constant(bytes(self._ecfp_bytes)))
        scores = tf.map_fn(
            lambda both: self._chunk(both[0], both[1]),
            (cut(ecfp, bytes(self._ecfp_bytes)), cut(blocks, bytes(BLOCKS_BYTES))),
            fn_output_signature=tf.TensorSpec([CHUNK, len(self.targets), len(self._blend.lines)], tf.float32),
            parallel_iterations=_PARALLEL,
        )
        flat = tf.reshape(scores, [-1, len(self.targets), len(self._blend.lines)])
        return flat[:count] * self._slopes + self._offsets

    def _chunk(self, ecfp: Any, blocks: Any) -> Any:
        """Scores by member, float32 [CHUNK, n_targets, n_members]."""
        scores: dict[str, Any] = {}
        graphs = self._graphs
        if graphs.linear is not None:
            scores["linear"] = graphs.linear(ecfp)
        if graphs.library is not None:
            similarities = graphs.library(blocks)
            if graphs.kernel is not None:
                scores["kernel"] = graphs.kernel(*similarities)
            if graphs.net is not None:
                scores["net"] = graphs.net(*similarities)
            if graphs.trees is not None and graphs.odds is not None:
                features = [graphs.odds(*similarities), scores["kernel"]]
                scores["trees"] = graphs.trees(tf.concat(features, axis=1))
        return tf.stack(
            [tf.ensure_shape(scores[kind], [CHUNK, len(self.targets)]) for kind in self._blend.lines], axis=2
        )


def _in_whole_chunks(function: Callable[..., Any], *values: Any) -> Any:
    """Apply a function to a batch filled up to whole chunks: the last elements of others are rounded otherwise."""
    count = tf.shape(values[0])[0]
    missing = -count % CHUNK
    filled = [tf.pad(each, [[0, missing], *([[0, 0]] * (each.shape.rank - 1))]) for each in values]
    return tf.nest.map_structure(lambda found: found[:count], function(*filled))


def transformer_odds(probabilities: Any) -> Any:
    """Log-odds that the transformer brings into the blend, of its probabilities, float32 [batch, n_targets]."""
    kept = tf.clip_by_value(probabilities, _LEAST, 1.0 - _LEAST)
    return tf.math.log(kept) - tf.math.log1p(-kept)


def _spread(odds: Any) -> Any:
    """Standard deviation of members' probabilities, float32 [batch, n_targets]."""
    return tf.math.reduce_std(tf.math.sigmoid(odds), axis=2)
