"""`belka config show`."""

from typing import Annotated

import typer

from pipeline.cli.options import ConfigOption, OutputDirOption, RawDirOption, SetOption, build_config

app = typer.Typer(help="Look at the configuration.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keep `show` a command of its own while it is the only one."""


@app.command()
def show(
    config: ConfigOption = None,
    raw_dir: RawDirOption = None,
    output_dir: OutputDirOption = None,
    overrides: SetOption = None,
    explain: Annotated[bool, typer.Option("--explain", help="With what each key means.")] = False,
) -> None:
    """Print the resolved configuration as YAML."""
    from pipeline.config.files import dump_config
    from pipeline.config.reference import explain_config

    resolved = build_config(config, raw_dir, output_dir, overrides)
    typer.echo(explain_config(resolved) if explain else dump_config(resolved), nl=False)
