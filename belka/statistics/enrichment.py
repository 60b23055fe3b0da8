"""Which blocks and pairs of blocks are enriched: rows of the statistics' tables, the surest first."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from belka.contract import BLOCKS_FILE, PAIRS_FILE
from belka.errors import InputError
from belka.statistics.tables import read_statistics, read_summary

LEVELS: Final = {"block": BLOCKS_FILE, "pair": PAIRS_FILE}
# Odds over the mean odds of the position, with the ends of their interval; float64.
RATIOS: Final = {"odds_ratio": "log_odds", "odds_ratio_low": "log_odds_low", "odds_ratio_high": "log_odds_high"}


def most_enriched(
    folder: Path, level: str, *, target: str | None = None, top: int | None = None, min_known: int = 1
) -> pa.Table:
    """The rows of a level, by target, those first whose odds are surely highest: by the lower end of the interval.

    Args:
        folder: Folder with block statistics.
        level: `block` or `pair`.
        target: The only target; None = all.
        top: How many rows of each target at most; None = all.
        min_known: Least number of known labels, at least 0.

    Returns:
        The columns of the table on disk, and those of `RATIOS`.

    Raises:
        InputError: The target is none of theirs, or a file is missing or damaged.
    """
    targets: list[str] = read_summary(folder)["targets"]
    if target is not None and target not in targets:
        raise InputError(
            "There are no statistics of this target.",
            received=target,
            expected=" or ".join(targets),
            action="Name one of them, or name none.",
        )
    names = targets if target is None else [target]
    return pa.concat_tables(
        surest_first(read_statistics(folder, LEVELS[level], name), top=top, min_known=min_known) for name in names
    )


def surest_first(parts: Iterable[pa.Table], *, top: int | None = None, min_known: int = 1) -> pa.Table:
    """Rank rows of one target by the lower end of the interval of their odds ratio, and add the columns of `RATIOS`.

    Args:
        parts: Tables as `read_statistics` gives them, at least one.
        top: How many rows at most; None = all.
        min_known: Least number of known labels, at least 0.
    """
    table = pa.concat_tables(parts).unify_dictionaries()
    rows = np.flatnonzero(table["known"].to_numpy() >= min_known)
    low = table["log_odds_low"].to_numpy()[rows] - table["mean_log_odds"].to_numpy()[rows]
    # Stable: equal rows stay in the order of positions and SMILES.
    table = table.take(pa.array(rows[np.argsort(-low, kind="stable")[:top]]))
    for name, column in RATIOS.items():
        table = table.append_column(name, pc.exp(pc.subtract(table[column], table["mean_log_odds"])))
    return table


def as_text(table: pa.Table) -> pa.Table:
    """The same with plain strings in place of codes."""
    columns = {
        name: table[name].cast(pa.string()) if pa.types.is_dictionary(table[name].type) else table[name]
        for name in table.schema.names
    }
    return pa.table(columns)
