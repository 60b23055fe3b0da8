"""Every command of README runs.

`data` and `output` become the small demo's folders. A training command that names no configuration would train the
published plan for days: it is shortened by the same --set options that the demo of these tests uses.
"""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.cli.run import NOT_PUSHED

if TYPE_CHECKING:
    from tests.e2e.conftest import Demo

REPOSITORY = Path(__file__).parents[2]


def _commands(file: Path) -> Iterator[str]:
    for block in re.findall(r"```bash\n(.*?)```", file.read_text(encoding="utf-8"), re.DOTALL):
        yield from (line.split("#")[0].strip() for line in block.splitlines() if line.split("#")[0].strip())


COMMANDS = list(_commands(REPOSITORY / "README.md"))


def test_readme_has_the_two_commands_that_set_up_everything() -> None:
    assert {"make demo", "make test"} <= set(COMMANDS)


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("make ")])
def test_make_target_exists(command: str) -> None:
    subprocess.run([*shlex.split(command), "--dry-run"], cwd=REPOSITORY, check=True, capture_output=True)


@pytest.mark.slow
@pytest.mark.parametrize("command", [command for command in COMMANDS if not command.startswith("make ")])
def test_belka_command_runs(demo: "Demo", command: str) -> None:
    program, *arguments = shlex.split(command)
    assert program == "belka", f"README names a program this test cannot run: {command}"
    folders = {"data": demo.raw, "output": demo.output}
    arguments = [re.sub("^(data|output)(?=/|$)", lambda found: str(folders[found[1]]), each) for each in arguments]
    if arguments[0] == "run":
        arguments += demo.options()
    result = demo.run(*arguments)
    # A model with fewer epochs than the one in production need not be pushed.
    allowed = {0, NOT_PUSHED} if arguments[0] == "run" else {0}
    assert result.returncode in allowed, result.stderr
