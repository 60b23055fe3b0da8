"""Options that take a path take the URI of an object store too: it is brought here first, and sent when it is whole.

A function below is the `parser` of such options: commands receive paths of this machine, and know no store.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.progress import Progress, SpinnerColumn, TextColumn

from belka.files import check_file_place
from belka.places.uri import StoreUri, is_uri, local_place, store_uri
from pipeline.cli.amounts import shown_amount
from pipeline.cli.consoles import open_console

if TYPE_CHECKING:
    from belka.events.event import Event
    from pipeline.config.settings import Config

PATH: Final = "<path>"  # the metavar of these options

_command: ContextVar[ExitStack | None] = ContextVar("command", default=None)


@contextmanager
def places_at_hand() -> Iterator[None]:
    """Keep what options name at hand while a command runs, and send what it wrote when it ends without an error."""
    with ExitStack() as stack:
        token = _command.set(stack)
        try:
            yield
        finally:
            _command.reset(token)


def place_text(text: str) -> str:
    """A path or URI as it was given: the command itself brings it here.

    Raises:
        InputError: It is a URI that nothing here can read.
    """
    return str(store_uri(text)) if is_uri(text) else text


def read_place(text: str | Path) -> Path:
    """A folder or file to read."""
    from belka.places.copies import copied

    return _here(text, copied)


def read_model(text: str | Path) -> Path:
    """The folder of a model, or of the versions, of which the one in production is wanted."""
    from belka.places.copies import copied_model

    return _here(text, copied_model)


def changed_folder(text: str | Path) -> Path:
    """A folder in which the command may change files."""
    from belka.places.copies import changed_copy

    return _here(text, changed_copy)


def written_file(text: str | Path) -> Path:
    """A file that the command writes.

    Raises:
        InputError: A device or a pipe lies there.
        OSError: A folder lies there, or it may not be written.
    """
    from belka.places.copies import sent_file

    path = _here(text, sent_file)
    check_file_place(path)
    return path


def file_written_here(text: str | Path) -> Path:
    """A file on this machine that the command writes, see `written_file`."""
    path = local_place(text)
    check_file_place(path)
    return path


def run_folder(text: str | Path) -> Path:
    """The output directory of a run, to read it."""
    if not is_uri(str(text)):
        return Path(text)
    from pipeline.runners.store.working_folder import looked_into

    return _here(text, looked_into)


def cleaned_folder(text: str | Path) -> Path:
    """The output directory of a run, to change it."""
    if not is_uri(str(text)):
        return Path(text)
    from pipeline.runners.store.working_folder import worked_on

    return _here(text, worked_on)


def with_raw_here(config: "Config") -> "Config":
    """The configuration with its raw files here, as long as the command runs."""
    if not is_uri(config.data.raw_dir):
        return config
    return _with_folder(config, "raw_dir", read_place(config.data.raw_dir))


def with_results_here(config: "Config") -> "Config":
    """The configuration with its output directory here, to read it."""
    if not is_uri(config.data.output_dir):
        return config
    return _with_folder(config, "output_dir", run_folder(config.data.output_dir))


@contextmanager
def results_published(config: "Config") -> Iterator["Config"]:
    """Have the output directory of a run here, and publish what the block leaves, also where it fails.

    Args:
        config: The configuration.

    Yields:
        The configuration with the folder here.
    """
    if not is_uri(config.data.output_dir):
        yield config
        return
    from pipeline.runners.store.working_folder import worked_on

    with ExitStack() as stack:
        with _told():
            folder = stack.enter_context(worked_on(store_uri(config.data.output_dir)))
        yield _with_folder(config, "output_dir", folder)


def _here(text: str | Path, bring: Callable[[StoreUri], AbstractContextManager[Path]]) -> Path:
    stack = _command.get()
    if not is_uri(str(text)) or stack is None:
        return Path(text)
    with _told():
        return stack.enter_context(bring(store_uri(str(text))))


def _with_folder(config: "Config", name: str, folder: Path) -> "Config":
    return config.model_copy(update={"data": config.data.model_copy(update={name: str(folder)})})


@contextmanager
def _told() -> Iterator[None]:
    """Show on a terminal how far something is that is being fetched."""
    from belka.events.channel import listening

    console = open_console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task("asking the object store")

        def hear(event: "Event") -> None:
            if event.progress is not None:
                shown.update(task, description=shown_amount(event.progress))

        with listening(hear):
            yield
