"""The plain way to build and train the reference architecture: Keras's own layers, padded molecules, no XLA."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from trainer_module.layers.encodings import Encodings
from trainer_module.losses.multi_label_loss import MultiLabelLoss
from trainer_module.settings import ModelSettings


def build_plain_model(settings: ModelSettings, *, vocab_size: int, n_targets: int) -> keras.Model:
    """Build the classifier from `keras.layers.MultiHeadAttention` and friends.

    Args:
        settings: Architecture; the ECFP branch is not built.
        vocab_size: Rows of the embedding table.
        n_targets: Proteins.

    Returns:
        Model from int32 [batch, max_length] to probabilities [batch, n_targets], with the weights of
        `trainer_module.model.Belka`, in their order and shapes.
    """
    depth, rate = settings.depth, settings.dropout_rate
    tokens = keras.Input((settings.max_length,), dtype="int32")
    present = ops.not_equal(tokens, 0)
    hidden = keras.layers.Rescaling(depth**0.5)(keras.layers.Embedding(vocab_size, depth)(tokens))
    hidden = Encodings(depth, settings.max_length)(hidden)
    for _ in range(settings.num_layers):
        normed = keras.layers.LayerNormalization()(hidden)
        attention = keras.layers.MultiHeadAttention(
            settings.num_heads, depth, dropout=rate if settings.attention_dropout else 0.0
        )
        attended = attention(normed, normed, attention_mask=present[:, None, :])
        hidden = hidden + keras.layers.Dropout(rate)(attended)
        inner = keras.layers.Dense(2 * depth, activation=settings.activation)(keras.layers.LayerNormalization()(hidden))
        hidden = hidden + keras.layers.Dropout(rate)(keras.layers.Dense(depth)(inner))
    weights = ops.cast(present, "float32")[:, :, None]
    pooled = ops.sum(hidden * weights, axis=1) / ops.sum(weights, axis=1)
    return keras.Model(tokens, keras.layers.Dense(n_targets, activation="sigmoid")(pooled))


def plain_step(model: keras.Model, *, clip_norm: float | None) -> Callable[[Any, Any], Any]:
    """Return a graph-mode training step with Adam and the multilabel focal loss.

    Args:
        model: From `build_plain_model`.
        clip_norm: Most global norm of the gradient; None leaves it.

    Returns:
        Function of tokens [batch, max_length] and labels [batch, n_targets] that updates the model and returns the
        loss.
    """
    optimizer = keras.optimizers.Adam(1e-3, global_clipnorm=clip_norm)
    optimizer.build(model.trainable_variables)
    loss_of = MultiLabelLoss()

    def step(tokens: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(labels, model(tokens, training=True))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    compiled: Callable[[Any, Any], Any] = tf.function(step, autograph=False)
    return compiled
