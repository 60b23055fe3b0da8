"""TFX components of the Belka pipeline: one folder each, a plain function plus a thin component.

The artifact types are attributes of this package because Kubeflow Pipelines wants them importable as
`components.<Class>`. They are loaded on first use: importing them costs the whole of TFX, which the command line must
not pay at start-up.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    """Load an artifact type by name (PEP 562)."""
    if not name[:1].isupper():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from components import artifact_types

    return getattr(artifact_types, name)
