"""`python -m belka`: the console command, found by its entry point, since it lies on a floor above."""

from importlib.metadata import entry_points


def main() -> None:
    """Run the `belka` command."""
    (command,) = entry_points(group="console_scripts", name="belka")
    command.load()()


if __name__ == "__main__":
    main()
