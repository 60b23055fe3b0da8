"""What README and the tutorial tell to type works as typed, in bash and in zsh, in the clone, after `make demo`.

Each block's own text is run. The quick tests parse these blocks, and each `belka` command of the other pages, and run
nothing.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest
import typer

from pipeline.cli.main import app
from pipeline.config.files import load_config

REPOSITORY: Final = Path(__file__).parents[2]
PAGES: Final = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob("benchmarks/*.md")])
TYPED: Final = (REPOSITORY / "README.md", REPOSITORY / "docs" / "tutorial.md")
# The first is what the others follow; the second runs these tests.
SET_UP: Final = ["make demo\n", "make test\n"]
SHELLS: Final = {"bash": ["bash", "--noprofile", "--norc"], "zsh": ["zsh", "--no-rcs"]}
# What a shell reads as something else where it is not quoted; zsh takes a # that is typed for a word.
SPECIAL: Final = re.compile(r"[][*?#~{}<>|&;()]")
BELKA: Final = REPOSITORY / ".venv" / "bin" / "belka"
NEXT: Final = re.compile(r"^  (\.venv/bin/belka .*)$", re.MULTILINE)


def blocks(page: Path) -> list[str]:
    """The blocks of a page that are there to be typed, as they stand."""
    return re.findall(r"^```bash\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def commands(text: str) -> Iterator[list[str]]:
    """The words of each `belka` command that stands in a block, indented or fenced."""
    fenced = re.findall(r"^```(?:bash|sh)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    for block in (*fenced, *re.findall(r"(?:^ {4}.*\n)+", text, re.MULTILINE)):
        lines = iter(re.sub(r"\\\n\s*", "", block).splitlines())
        for line in lines:
            if line.strip().startswith("belka "):
                yield [word for word in _words(line, lines)[1:] if word != "..."]  # what is left to the reader


def _words(line: str, following: Iterator[str]) -> list[str]:
    """Split a line as a shell does; a quoted word may go on over the lines that follow."""
    while True:
        try:
            return shlex.split(line, comments=True)
        except ValueError:
            line += next(following)


def check(arguments: list[str]) -> None:
    """Parse a command as the command line does, with its configuration, and run nothing."""
    command = typer.main.get_command(app)
    name = "belka"
    while hasattr(command, "commands"):
        while arguments and arguments[0].startswith("-"):
            command.make_context(name, [*arguments[:2], "--help"], resilient_parsing=True)
            arguments = arguments[2:]
        name, *arguments = arguments
        assert name in command.commands, f"there is no command {name}"
        command = command.commands[name]
    parameters = command.make_context(name, arguments).params
    load_config(None, parameters.get("overrides") or ())


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(REPOSITORY)) for page in PAGES])
def test_every_documented_command_has_the_options_and_keys_that_there_are(page: Path) -> None:
    for arguments in commands(page.read_text(encoding="utf-8")):
        check(arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--raw-dri", "data"],
        ["explore"],
        ["config", "shwo"],
        ["run", "--set", "training.epoch=3"],
        ["run", "data"],
    ],
)
def test_a_command_that_is_not_there_is_found(arguments: list[str]) -> None:
    with pytest.raises(Exception, match=r"No such|no command|not valid|unexpected extra"):
        check(arguments)


def test_readme_begins_with_the_two_commands_that_set_up_everything() -> None:
    assert blocks(REPOSITORY / "README.md")[: len(SET_UP)] == SET_UP


def test_the_result_on_the_first_screen_is_the_one_that_was_measured() -> None:
    figures = set(re.findall(r"0\.\d{4}", (REPOSITORY / "README.md").read_text(encoding="utf-8")))
    assert figures
    assert figures <= set(re.findall(r"0\.\d{4}", (REPOSITORY / "docs" / "results.md").read_text(encoding="utf-8")))


@pytest.mark.parametrize("block", [block for page in TYPED for block in blocks(page)])
def test_block_means_the_same_in_every_shell_and_names_what_there_is(block: str) -> None:
    assert not (SPECIAL.search(re.sub(r"'[^']*'", "", block))), "not quoted, and not the same in bash and zsh"
    for line in block.splitlines():
        program, *arguments = shlex.split(line)
        assert program in {"belka", "make", "source"}
        for path in (REPOSITORY / word for word in arguments if re.fullmatch(r"[a-z.][\w.-]*(/[\w.-]+)+", word)):
            made = path.is_relative_to(REPOSITORY / "demo") or path.is_relative_to(REPOSITORY / ".venv")
            assert made or path.exists(), f"{path} is neither in the clone nor made by `make demo`"
        if program == "belka":
            folders = [word for flag, word in pairwise(arguments) if flag.endswith("-dir")]
            assert all(folder.startswith("demo/") for folder in folders), "no such folder after `make demo`"


@pytest.mark.parametrize("block", SET_UP)
def test_make_target_exists(block: str) -> None:
    subprocess.run([*shlex.split(block), "--dry-run"], cwd=REPOSITORY, check=True, capture_output=True)


def typed(shell: str, text: str) -> subprocess.CompletedProcess[str]:
    """Run text as it stands in a fresh shell in the clone, which knows of no environment; stop at what fails."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    path = os.pathsep.join(
        folder for folder in os.environ["PATH"].split(os.pathsep) if not (Path(folder) / "belka").exists()
    )
    return subprocess.run(
        [*SHELLS[shell], "-e", "-x", "-c", text],
        cwd=REPOSITORY,
        env={**kept, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def demo_said() -> str:
    """What `make demo` prints."""
    if not BELKA.exists():
        pytest.skip("this clone has no environment of its own: `make setup` makes it")
    made = typed("bash", SET_UP[0])
    assert made.returncode == 0, made.stderr
    return made.stdout


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("page", TYPED, ids=[page.name for page in TYPED])
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.usefixtures("demo_said")
def test_blocks_run_as_typed_one_after_the_other(shell: str, page: Path) -> None:
    result = typed(shell, "".join(block for block in blocks(page) if block not in SET_UP))
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("shell", SHELLS)
def test_demo_ends_with_three_commands_that_work(shell: str, demo_said: str) -> None:
    following = NEXT.findall(demo_said)
    assert len(following) == 3
    for command in following:
        result = typed(shell, command)
        assert result.returncode == 0, result.stderr
