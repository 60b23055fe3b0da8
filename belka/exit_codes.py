"""Exit codes of every command, and what they mean: the one place that code, help and docs are made from."""

from enum import IntEnum
from typing import Final


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    FAILED = 1
    WRONG_INPUT = 2
    NOT_PUSHED = 3
    RUN_AGAIN = 75
    INTERRUPTED = 130
    READER_GONE = 141
    TERMINATED = 143


MEANINGS: Final = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "failed for good",
    ExitCode.WRONG_INPUT: "wrong use or input: the message says what to change",
    ExitCode.NOT_PUSHED: "`belka run` is done; the model did not pass the gate and was not pushed",
    ExitCode.RUN_AGAIN: "stopped by a full disk, memory or a lost worker: the same command goes on",
    ExitCode.INTERRUPTED: "stopped by Ctrl-C: the same command goes on",
    ExitCode.READER_GONE: "whoever read standard output went away, as with `| head`",
    ExitCode.TERMINATED: "stopped by SIGTERM or a closed terminal: the same command goes on",
}
