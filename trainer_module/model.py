"""The Belka transformer with the head of one training stage."""

from typing import Any, Final

import keras
from keras import ops

from belka.chemistry.descriptors import DESCRIPTORS
from belka.contract import FEATURE_ECFP, FEATURE_TOKENS
from trainer_module.layers.encoder import Encoder
from trainer_module.layers.seeded_dropout import SeededDropout
from trainer_module.layers.seeds import fold_in
from trainer_module.layers.unpack_bits import UnpackBits
from trainer_module.settings import DEFAULT_ECFP_SIZE, Mode, ModelSettings

_HEAD_SEED: Final = 1_000_000
# An argument of its own, and what the transformer is blended with.
_NO_ARCHITECTURE: Final = frozenset({"vocab_size", "members"})
_ARCHITECTURE: Final = ModelSettings.model_fields.keys() - _NO_ARCHITECTURE


@keras.saving.register_keras_serializable(package="belka")
class Belka(keras.Model):
    """Pre-norm transformer encoder over SMILES tokens with one of four heads.

    - `mlm`: the vocabulary's probabilities at each position, [batch, length, vocab_size].
    - `mtr`: the scaled descriptors, [batch, n_descriptors], from the mean over the molecule's tokens.
    - `fps`: the probability of each bit of the fingerprint, [batch, ecfp_size], from the same mean.
    - `clf`: the probability of binding each target, [batch, n_targets], from the same mean; with `ecfp_branch`, the
      logits of a linear or one-hidden-layer model on the fingerprint's bits are added (wide and deep).

    Source: the first place of the Leash BELKA competition (architecture); Cheng et al., Wide & Deep Learning for
    Recommender Systems, 2016 (branch).

    The model is made with its weights: their shapes do not depend on an input's.

    Args:
        mode: Which head.
        vocab_size: Rows of the embedding table.
        n_targets: Proteins; used by the mode clf only.
        ecfp_size: Bits of the fingerprint; used by the mode fps and by the branch.
        n_descriptors: Descriptors; used by the mode mtr only.
        settings: Architecture, without its `vocab_size`; None: the defaults.
        **kwargs: Arguments of `keras.Model`.
    """

    def __init__(
        self,
        *,
        mode: Mode,
        vocab_size: int,
        n_targets: int = 3,
        ecfp_size: int = DEFAULT_ECFP_SIZE,
        n_descriptors: int = len(DESCRIPTORS),
        settings: ModelSettings | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"name": "belka", **kwargs})
        settings = settings or ModelSettings()
        self.arguments: dict[str, Any] = {
            "mode": mode,
            "vocab_size": vocab_size,
            "n_targets": n_targets,
            "ecfp_size": ecfp_size,
            "n_descriptors": n_descriptors,
            **settings.model_dump(exclude=set(_NO_ARCHITECTURE)),
        }
        self.mode = mode
        self.ecfp_size = ecfp_size
        self.depth = settings.depth
        self.uses_ecfp = mode == "clf" and settings.ecfp_branch
        policy = self.dtype_policy
        full = policy.variable_dtype  # of heads and sums, where activations may be in half precision
        self.encoder = Encoder(
            vocab_size=vocab_size,
            depth=settings.depth,
            num_heads=settings.num_heads,
            num_layers=settings.num_layers,
            dropout_rate=settings.dropout_rate,
            activation=settings.activation,
            max_length=settings.max_length,
            attention_dropout=settings.attention_dropout,
            dtype=policy,
            name="encoder",
        )
        units = {"mlm": vocab_size, "mtr": n_descriptors, "fps": ecfp_size, "clf": n_targets}[mode]
        self.head = keras.layers.Dense(units, dtype=full, name="head")
        if self.uses_ecfp:
            hidden, penalty = settings.ecfp_hidden, keras.regularizers.L2(settings.ecfp_l2)
            self.unpack = UnpackBits(dtype=policy, name="unpack")
            self.wide_hidden = (
                keras.layers.Dense(hidden, "relu", kernel_regularizer=penalty, dtype=policy, name="wide_hidden")
                if hidden
                else None
            )
            self.wide_dropout = SeededDropout(settings.ecfp_dropout, dtype=policy, name="wide_dropout")
            self.wide_head = keras.layers.Dense(
                units, use_bias=False, kernel_regularizer=penalty, dtype=full, name="wide_head"
            )
        self.build()

    def build(self, input_shape: Any = None) -> None:
        """Make all weights; their shapes do not depend on the inputs' shape."""
        del input_shape
        self.encoder.build((None, None))
        self.head.build((None, self.depth))
        if self.uses_ecfp:
            width = self.ecfp_size
            if self.wide_hidden is not None:
                self.wide_hidden.build((None, width))
                width = self.wide_hidden.units
            self.wide_head.build((None, width))
        self.built = True

    def call(self, inputs: Any, training: bool = False, seed: Any = None) -> Any:
        """Predict.

        Args:
            inputs: `tokens`: integer [batch, length], PAD (0) after the last token; with `ecfp_branch` also `ecfp`:
                uint8 [batch, ecfp_size / 8], the bits as `numpy.packbits` packs them.
            training: Whether to drop.
            seed: uint32 [2]; needed while training.

        Returns:
            Probabilities, or descriptors, float32 or as the policy says, shaped as the class says.
        """
        tokens = inputs[FEATURE_TOKENS]
        hidden = self.encoder(tokens, training=training, seed=seed)
        if self.mode == "mlm":
            return ops.softmax(self.head(hidden), axis=-1)
        weights = ops.cast(self.encoder.compute_mask(tokens), self.variable_dtype)[:, :, None]
        count = ops.maximum(ops.sum(weights, axis=1), 1.0)
        logits = self.head(ops.sum(ops.cast(hidden, self.variable_dtype) * weights, axis=1) / count)
        if self.uses_ecfp:
            logits = logits + self._wide_logits(inputs[FEATURE_ECFP], training, seed)
        return logits if self.mode == "mtr" else ops.sigmoid(logits)

    def _wide_logits(self, packed: Any, training: bool, seed: Any) -> Any:
        """Return the branch's logits, float [batch, n_targets]."""
        wide = self.unpack(packed)
        if self.wide_hidden is not None:
            wide = self.wide_hidden(wide)
        wide = self.wide_dropout(wide, training=training, seed=fold_in(seed, _HEAD_SEED))
        return self.wide_head(wide)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, those of the architecture one by one."""
        return {**super().get_config(), **self.arguments}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "Belka":
        """Make a model from `arguments`, or from what `get_config` returned."""
        del custom_objects  # all parts are registered
        architecture = {name: config[name] for name in _ARCHITECTURE & config.keys()}
        others = {name: value for name, value in config.items() if name not in architecture}
        return cls(settings=ModelSettings(**architecture), **others)
