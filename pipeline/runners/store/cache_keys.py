"""Cache keys that do not depend on where a working folder lies.

TFX's key of a node holds the URIs of the artifacts that it reads. Where an output directory on a store is worked on in
a folder of this machine, the key names them by their place on the store.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tfx.orchestration.portable import cache_utils

from belka.places.names import place_of


@contextmanager
def keyed_by_places() -> Iterator[None]:
    """Have TFX make its cache keys so while the block runs; without a store they are what they are."""
    original = cache_utils.get_cache_context

    def keyed(
        *,
        metadata_handle: Any,
        pipeline_node: Any,
        pipeline_info: Any,
        executor_spec: Any = None,
        input_artifacts: Mapping[str, Sequence[Any]] | None = None,
        output_artifacts: Mapping[str, Sequence[Any]] | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> Any:
        return original(
            metadata_handle=metadata_handle,
            pipeline_node=pipeline_node,
            pipeline_info=pipeline_info,
            executor_spec=executor_spec,
            input_artifacts={name: list(map(placed, each)) for name, each in (input_artifacts or {}).items()},
            output_artifacts=output_artifacts,
            parameters=parameters,
        )

    cache_utils.get_cache_context = keyed
    try:
        yield
    finally:
        cache_utils.get_cache_context = original


def placed(artifact: Any) -> Any:
    """A copy of an artifact that names places by their URIs.

    Args:
        artifact: TFX's.
    """
    found = copy.deepcopy(artifact)
    found.uri = place_of(artifact.uri)
    for value in found.mlmd_artifact.custom_properties.values():
        if value.HasField("string_value"):
            value.string_value = place_of(value.string_value)
    return found
