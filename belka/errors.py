"""Errors that tell a user what is wrong, what was received, what is expected and what to do next."""

import errno
import os
import re
from collections.abc import Callable, Iterator

from belka.exit_codes import ExitCode


class BelkaError(Exception):
    """A failure the pipeline can explain.

    The command line prints it without a traceback and leaves with `exit_code`.

    Args:
        problem: What is wrong, as one sentence.
        received: What was found instead, with its place (file, column, row).
        expected: What would have been right.
        action: What to do next.
    """

    exit_code = int(ExitCode.FAILED)

    def __init__(self, problem: str, *, received: str = "", expected: str = "", action: str = "") -> None:
        super().__init__(problem, received, expected, action)
        self.problem, self.received, self.expected, self.action = problem, received, expected, action

    def reword(self, change: Callable[[str], str]) -> None:
        """Say the same with other words in it.

        Args:
            change: Takes each part, and returns what it becomes.
        """
        parts = map(change, (self.problem, self.received, self.expected, self.action))
        self.problem, self.received, self.expected, self.action = parts

    def __str__(self) -> str:
        """Render the parts that are filled, one per line."""
        parts = {"received": self.received, "expected": self.expected, "to do": self.action}
        return "\n".join([self.problem, *(f"  {label}: {text}" for label, text in parts.items() if text)])


class InputError(BelkaError):
    """Wrong use or wrong input: the user can mend it. Exit code 2."""

    exit_code = int(ExitCode.WRONG_INPUT)


class RunAgainError(BelkaError):
    """What stopped the work may be gone when it is started again (disk, memory, a lost worker). Exit code 75."""

    exit_code = int(ExitCode.RUN_AGAIN)


class DamagedError(RunAgainError):
    """What a step finds is not what an earlier one wrote; the earlier one runs again. Exit code 75.

    Args:
        folder: The folder; the other arguments are those of `BelkaError`.
    """

    def __init__(
        self, problem: str, *, folder: str = "", received: str = "", expected: str = "", action: str = ""
    ) -> None:
        super().__init__(problem, received=received, expected=expected, action=action)
        self.folder = folder


class InterruptedRunError(BelkaError):
    """The user stopped the work (SIGINT, Ctrl-C). Exit code 130."""

    exit_code = int(ExitCode.INTERRUPTED)


class TerminatedError(BelkaError):
    """The system stopped the work (SIGTERM); its state is saved. Exit code 143."""

    exit_code = int(ExitCode.TERMINATED)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what caused it or was being handled when it was raised, and so on, each once.

    Args:
        error: The last one; None has no causes.
    """
    seen = list[BaseException]()
    while error is not None and error not in seen:
        yield error
        seen.append(error)
        error = error.__cause__ or error.__context__


def explained(error: BaseException | None) -> BelkaError | None:
    """The first error in a chain of causes that explains itself: TFX and Beam wrap what a component raises.

    Where none does, one that stands in the text of another, as Beam tells the errors of its workers; then the first
    that the operating system gave because of a place, the disk or memory.
    """
    chain = list(causes(error))
    own = next((each for each in chain if isinstance(each, BelkaError)), None)
    texts = (told_in(str(each)) for each in chain)
    return own or next(filter(None, texts), None) or next(filter(None, map(_of_system, chain)), None)


def told_in(text: str) -> BelkaError | None:
    """An error of ours as another process told it, in a traceback within a text.

    Args:
        text: What an engine says of a worker that failed.

    Returns:
        The first one, with its exit code; None where there is none. Of a damaged output the folder is not known.
    """
    found = _TOLD.search(text)
    if found is None:
        return None
    said = found["parts"].rpartition(_OF_BEAM)[0] or found["parts"]
    lines = (line.strip().partition(": ") for line in said.splitlines() if line)
    parts = {label: value for label, _, value in lines}
    kinds: dict[str, type[BelkaError]] = {each.__name__: each for each in (InputError, RunAgainError)}
    kinds[DamagedError.__name__] = RunAgainError
    problem = found["problem"].partition(_OF_BEAM)[0]
    return kinds.get(found["kind"], BelkaError)(
        problem,
        received=parts.get("received", ""),
        expected=parts.get("expected", ""),
        action=parts.get("to do", ""),
    )


def _of_system(error: BaseException) -> BelkaError | None:
    """Explain what no program can help: a place that is not there or not writable, a full disk, no memory."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError | ImportError) and _NO_MEMORY.search(str(error))):
        return RunAgainError(
            "There is not enough memory.",
            received=str(error) or "the system gave no more",
            action="Raise the limit of memory, or lower system.memory_limit_gb, batch sizes and workers; run it again.",
        )
    if isinstance(error, OSError | ImportError) and (missing := _SHARED_LIBRARY.match(str(error))):
        return InputError(
            "A library of the system is missing.",
            received=str(error),
            expected=f"{missing[1]}, which a Python package was linked against",
            action=f"Install it; {_PACKAGES_OF_DEBIAN}.",
        )
    if isinstance(error, UnicodeEncodeError) and "surrogates" in error.reason:  # so Python takes bytes that are no text
        return InputError(
            "A name or a value is no text in UTF-8.",
            received=repr(error.object)[:200],
            expected="UTF-8; the system hands over names of files and arguments as bytes",
            action="Give the file or the value another spelling, or set the locale that it was typed in.",
        )
    number = error.errno if isinstance(error, OSError) else None
    if number in _REFUSED:
        problem, expected = _REFUSED[number]
        return InputError(
            problem,
            received=str(error),
            expected=expected,
            action="Name another place, or change the rights, the mount or what lies there.",
        )
    if number in _EXHAUSTED:
        return _exhausted(number, error)
    said = next((number for words, number in _OF_THE_DISK.items() if words in str(error)), None)
    return None if said is None else _exhausted(said, error)


def _exhausted(number: int, error: BaseException) -> RunAgainError:
    return RunAgainError(
        _EXHAUSTED[number], received=str(error), action="Make room and run the same command again: it goes on."
    )


# As Python writes it in a traceback, and what Beam adds: "[while running 'Score']".
_TOLD = re.compile(
    r"belka\.errors\.(?P<kind>[A-Z]\w*Error): (?P<problem>[^\n]+)"
    r"(?P<parts>(?:\n  (?:received|expected|to do): [^\n]*)*)"
)
_OF_BEAM = " [while running '"
# As the loader of glibc says it where address space or memory is limited.
_NO_MEMORY = re.compile(r"failed to map segment from shared object|cannot allocate memory", re.IGNORECASE)
# As the loader of glibc says it, to ctypes (OSError) and to the import of extensions.
_SHARED_LIBRARY = re.compile(r"(\S+\.so\S*): cannot open shared object file")
_PACKAGES_OF_DEBIAN = "the packages of Debian and Ubuntu are libgomp1 (LightGBM), libxrender1 and libxext6 (RDKit)"
_FOLDER = "a folder on the way and no file"
_REFUSED = {
    errno.EACCES: ("A place may not be read or written.", "the right to do so"),
    errno.EPERM: ("A place may not be read or written.", "the right to do so"),
    errno.EROFS: ("A place may not be written.", "a file system that is mounted for writing"),
    errno.ENOTDIR: ("A file lies where a folder is needed.", _FOLDER),
    errno.EEXIST: ("A file lies where a folder is needed.", _FOLDER),
    errno.EISDIR: ("A folder lies where a file is needed.", "a file, or nothing yet"),
    errno.ENAMETOOLONG: ("A name is too long for the file system.", "names of at most 255 bytes"),
    errno.ELOOP: ("Links lead in a circle.", "a path that ends"),
}
_EXHAUSTED = {
    errno.ENOSPC: "The disk is full.",
    errno.EDQUOT: "The quota of the disk is used up.",
    errno.EFBIG: "A file would be larger than may be written.",
    errno.ENOMEM: "There is not enough memory.",
    errno.EMFILE: "Too many files are open.",
    errno.ENFILE: "Too many files are open.",
    errno.EIO: "The disk does not answer.",
}
# TensorFlow, HDF5 and DuckDB pass on the system's words alone, and Beam those of its workers; SQLite has its own.
_OF_THE_DISK = {
    os.strerror(errno.ENOSPC): errno.ENOSPC,
    os.strerror(errno.EDQUOT): errno.EDQUOT,
    "database or disk is full": errno.ENOSPC,
}
