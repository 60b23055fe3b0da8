"""What a run that failed tells: step and node by the names that its lines have, the error's own words, and the log."""

from pathlib import Path

import pytest

from belka.errors import InputError
from pipeline.cli.execute import _explain

LOG = Path("out/logs/x.log")


@pytest.mark.parametrize(
    ("problem", "node", "told"),
    [
        ("The file is odd.", "smiles-vocab", "get_vocab (smiles-vocab): The file is odd."),
        ("smiles-vocab cannot run.", "smiles-vocab", "smiles-vocab cannot run."),
        ("The file is odd.", None, "The pipeline: The file is odd."),
    ],
)
def test_step_and_node_are_named_once(problem: str, node: str | None, told: str) -> None:
    error = _explain(InputError(problem, received="x.csv", action="Mend it."), node, LOG)
    assert (error.problem, error.received, error.exit_code) == (told, "x.csv", 2)
    assert error.action.startswith(f"Mend it. See {LOG}.")


def test_an_error_without_words_of_its_own_is_named_with_its_place() -> None:
    error = _explain(ValueError("odd"), "pusher", LOG)
    assert (error.problem, error.received) == ("evaluate_model (pusher) failed.", "ValueError: odd")
