"""Errors that tell a user what is wrong, what was received, what is expected and what to do next."""


class BelkaError(Exception):
    """A failure the pipeline can explain.

    The command line prints it without a traceback and leaves with `exit_code`.

    Args:
        problem: What is wrong, as one sentence.
        received: What was found instead, with its place (file, column, row).
        expected: What would have been right.
        action: What to do next.
    """

    exit_code = 1

    def __init__(self, problem: str, *, received: str = "", expected: str = "", action: str = "") -> None:
        super().__init__(problem, received, expected, action)
        self.problem, self.received, self.expected, self.action = problem, received, expected, action

    def __str__(self) -> str:
        """Render the parts that are filled, one per line."""
        parts = {"received": self.received, "expected": self.expected, "to do": self.action}
        return "\n".join([self.problem, *(f"  {label}: {text}" for label, text in parts.items() if text)])


class InputError(BelkaError):
    """Wrong use or wrong input: the user can mend it. Exit code 2."""

    exit_code = 2


class RunAgainError(BelkaError):
    """What stopped the work may be gone when it is started again (disk, memory, a lost worker). Exit code 75."""

    exit_code = 75


class InterruptedRunError(BelkaError):
    """The user stopped the work (SIGINT, Ctrl-C). Exit code 130."""

    exit_code = 130


class TerminatedError(BelkaError):
    """The system stopped the work (SIGTERM); its state is saved. Exit code 143."""

    exit_code = 143


def explained(error: BaseException | None) -> BelkaError | None:
    """The first error in a chain of causes that explains itself: TFX and Beam wrap what a component raises."""
    while error is not None:
        if isinstance(error, BelkaError):
            return error
        error = error.__cause__ or error.__context__
    return None
