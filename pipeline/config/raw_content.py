"""Make the content of the raw files part of the configuration, and so of every cache key."""

from pathlib import Path

from belka.raw_directory import raw_digest
from pipeline.config.settings import Config


def with_raw_digest(config: Config) -> Config:
    """The configuration with the digest of the raw files as they are: changed data are never served from the cache.

    Raises:
        InputError: A raw file is missing or given twice.
    """
    data = config.data.model_copy(update={"raw_digest": raw_digest(Path(config.data.raw_dir))})
    return config.model_copy(update={"data": data})
