"""The encoder that all stages of training share: what one stage hands to the next."""

from typing import Any

import keras

from trainer_module.layers.embeddings import Embeddings
from trainer_module.layers.encoder_layer import EncoderLayer
from trainer_module.layers.encodings import Encodings
from trainer_module.layers.layer import BelkaLayer
from trainer_module.layers.seeds import fold_in


@keras.saving.register_keras_serializable(package="belka")
class Encoder(BelkaLayer):
    """Embeddings, position encodings and a stack of encoder layers.

    Args:
        vocab_size: Rows of the embedding table.
        depth: Width of the token representation.
        num_heads: Attention heads of each layer.
        num_layers: Encoder layers.
        dropout_rate: Share dropped while training.
        activation: Non-linearity of the feed-forward blocks.
        max_length: Longest sequence.
        attention_dropout: False leaves the attention weights whole.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        depth: int = 32,
        num_heads: int = 8,
        num_layers: int = 4,
        dropout_rate: float = 0.1,
        activation: str = "gelu",
        max_length: int = 128,
        attention_dropout: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.vocab_size = vocab_size
        self.depth = depth
        self.num_heads = num_heads
        self.num_layers = num_layers
        self.dropout_rate = dropout_rate
        self.activation = activation
        self.max_length = max_length
        self.attention_dropout = attention_dropout
        policy = self.dtype_policy
        self.embeddings = Embeddings(vocab_size, depth, dtype=policy, name="embeddings")
        self.encodings = Encodings(depth, max_length, dtype=policy, name="encodings")
        self.encoder_layers = [
            EncoderLayer(
                depth, num_heads, dropout_rate, activation, attention_dropout, dtype=policy, name=f"layer_{number}"
            )
            for number in range(num_layers)
        ]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights; `input_shape` is that of the tokens."""
        self.embeddings.build(input_shape)
        for layer in self.encoder_layers:
            layer.build((*input_shape, self.depth))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return which positions hold a token: bool [batch, length]."""
        return self.embeddings.compute_mask(inputs, mask)

    def call(self, inputs: Any, training: bool = False, seed: Any = None) -> Any:
        """Encode a batch of molecules.

        Args:
            inputs: Integer [batch, length], token ids, PAD after the last; length <= max_length.
            training: Whether to drop.
            seed: uint32 [2]; needed while training.

        Returns:
            Float [batch, length, depth]; what stands at PAD positions has no meaning.
        """
        mask = self.embeddings.compute_mask(inputs)
        hidden = self.encodings(self.embeddings(inputs))
        for number, layer in enumerate(self.encoder_layers):
            hidden = layer(hidden, mask=mask, training=training, seed=fold_in(seed, number))
        return hidden
