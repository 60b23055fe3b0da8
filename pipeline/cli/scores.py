"""The scores of a few molecules as a person reads them; programs get CSV."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from belka.contract import probability_name, spread_name
from pipeline.cli.cells import cell

if TYPE_CHECKING:
    import pyarrow as pa


def print_scores(console: Console, scores: "pa.Table", targets: Sequence[str]) -> None:
    """Print the molecules, each with a line for every target and one for whatever else is known of it.

    Args:
        console: Where.
        scores: What `LoadedModel.predict` gives.
        targets: Proteins, in the order of the lines.
    """
    own = {name for target in targets for name in (probability_name(target), spread_name(target))}
    for row in scores.to_pylist():
        console.print(cell(row.pop("smiles")), style="bold", highlight=False, soft_wrap=True)
        table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
        table.add_column()
        table.add_column(overflow="fold")
        for target in targets:
            probability, spread = row[probability_name(target)], row.get(spread_name(target))
            if probability is not None:
                between = "" if spread is None else f", spread {_shown(spread)}"
                table.add_row(f"  {cell(target)}", f"probability {_shown(probability)}{between}")
        for name, value in row.items():
            if name not in own and value not in {None, ""}:
                table.add_row(f"  {name.replace('_', ' ')}", cell(_shown(value)))
        console.print(table)


def _shown(value: object) -> str:
    """Two digits of a share, and no exponent."""
    return f"{Decimal(f'{value:.2g}'):f}" if isinstance(value, float) else str(value)
