"""What all layers have in common."""

import inspect
from typing import Any

import keras


class BelkaLayer(keras.layers.Layer):
    """A layer that keeps each argument of its constructor as an attribute of the same name."""

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        names = [name for name in inspect.signature(type(self).__init__).parameters if name not in {"self", "kwargs"}]
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
