"""Records of the log: with the time's zone, without secrets, and without what TFX says of its own parameters."""

import logging
from typing import Final

from belka.redaction import without_secrets

FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
TIME: Final = "%Y-%m-%dT%H:%M:%S%z"
# Loggers that tell of every call, file or parameter at INFO: TFX's, through absl's, and those of what it is made of.
_TALKATIVE: Final = ("absl", "apache_beam", "tensorflow", "root")


class Plain(logging.Formatter):
    """Formats a record on lines that hold no secret."""

    def __init__(self) -> None:
        super().__init__(FORMAT, TIME)

    def format(self, record: logging.LogRecord) -> str:
        """The text of a record, a traceback included."""
        return without_secrets(super().format(record))


def told_to(handler: logging.Handler) -> logging.Handler:
    """A handler that writes such records.

    Args:
        handler: Where they go; it is changed.
    """
    handler.setFormatter(Plain())
    handler.addFilter(is_told)
    return handler


def is_told(record: logging.LogRecord) -> bool:
    """Whether a record belongs into the log: all but other libraries' INFO, which DEBUG adds.

    Args:
        record: The record.
    """
    if record.levelno > logging.INFO or logging.getLogger().isEnabledFor(logging.DEBUG):
        return True
    return record.name.partition(".")[0] not in _TALKATIVE
