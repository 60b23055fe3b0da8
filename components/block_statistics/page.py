"""Write enrichment.html, one page that needs nothing beside it: the enriched blocks and pairs of blocks, drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from belka.contract import ENRICHMENT_FILE
from belka.files import atomic_path
from belka.pages.drawing import draw_smiles
from belka.pages.figures import LINE, PALETTE, draw
from belka.pages.style import page_environment, page_style
from belka.statistics.enrichment import LEVELS, RATIOS, surest_first
from belka.statistics.tables import read_statistics, read_summary

SHOWN: Final = 6  # a target and level
_CURVE_POINTS: Final = 200
_FOLDER: Final = Path(__file__).parent
_BLOCKS: Final = (("position", "block"), ("first_position", "first_block"), ("second_position", "second_block"))


@dataclass(frozen=True)
class Shown:
    """A block or a pair as the page shows it.

    Attributes:
        blocks: Position, SMILES and drawing of each.
        known: Molecules of known label.
        hits: Those that bind.
        ratio: Odds over the mean odds, with the ends of the interval.
    """

    blocks: tuple[tuple[int, str, str], ...]
    known: int
    hits: int
    ratio: tuple[float, float, float]


@dataclass(frozen=True)
class Ranks:
    """Odds ratios of one target, the highest first, thinned: rank from 1, ratio, ends of the interval, float64[n]."""

    rank: NDArray[np.float64]
    ratio: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def write_page(folder: Path) -> None:
    """Write enrichment.html from the tables beside it.

    Args:
        folder: Folder with block statistics; receives the page.
    """
    summary = read_summary(folder)
    targets: list[str] = summary["targets"]
    shown: dict[str, dict[str, list[Shown]]] = {target: {} for target in targets}
    ranks: dict[str, list[Ranks]] = {level: [] for level in LEVELS}
    for target in targets:
        for level in LEVELS:
            parts = list(read_statistics(folder, LEVELS[level], target))
            best = surest_first(parts, top=SHOWN).to_pylist()
            shown[target][level] = [_shown(row) for row in best if row["odds_ratio_low"] > 1]
            ranks[level].append(_thinned(parts))
    environment = page_environment(_FOLDER, {"number": _number})
    context = {
        "style": page_style(),
        "summary": summary,
        "shown": shown,
        # matplotlib makes the text from numbers and from names of targets, which the configuration restricts to
        # letters, digits and _.-
        "figures": {level: Markup(_rank_figure(level, targets, ranks[level])) for level in LEVELS},  # noqa: S704
    }
    with atomic_path(folder / ENRICHMENT_FILE) as temporary:
        page = environment.get_template(f"{ENRICHMENT_FILE}.j2").render(context)
        temporary.write_text(page, encoding="utf-8")


def _shown(row: dict[str, Any]) -> Shown:
    blocks = tuple((row[place], row[name], draw_smiles(row[name])) for place, name in _BLOCKS if name in row)
    low, ratio, high = row["odds_ratio_low"], row["odds_ratio"], row["odds_ratio_high"]
    return Shown(blocks, row["known"], row["hits"], (ratio, low, high))


def _thinned(parts: Sequence[pa.Table]) -> Ranks:
    """Points evenly spaced in the logarithm of the rank: there may be a million pairs."""
    ratio, low, high = (
        np.concatenate([part[column].to_numpy() - part["mean_log_odds"].to_numpy() for part in parts])
        for column in RATIOS.values()
    )
    order = np.argsort(-ratio, kind="stable")
    if not order.size:
        return Ranks(ratio, ratio, low, high)
    kept = np.unique(np.geomspace(1, order.size, _CURVE_POINTS).astype(np.int64)) - 1
    chosen = order[kept]
    return Ranks((kept + 1).astype(np.float64), *(np.exp(values[chosen]) for values in (ratio, low, high)))


def _rank_figure(level: str, targets: Sequence[str], ranks: Sequence[Ranks]) -> str:
    def paint(panels: Sequence[Axes]) -> None:
        for panel, curve in zip(panels, ranks, strict=True):
            panel.set(ylabel="odds over the mean odds", xlabel=f"rank of the {level}", xscale="log", yscale="log")
            panel.minorticks_off()
            for axis in (panel.xaxis, panel.yaxis):  # 0.01, not a power whose exponent is too small to read
                axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.9g}"))
            panel.axhline(1.0, color=LINE, linewidth=1, linestyle="--", label="mean")
            if curve.rank.size:
                floor = max(float(curve.ratio.min()) / 10, 1e-6)
                low = np.maximum(curve.low, floor)
                panel.fill_between(curve.rank, low, curve.high, color=PALETTE[0], alpha=0.2, lw=0, label="interval")
                panel.plot(curve.rank, curve.ratio, color=PALETTE[0], label="odds")
                panel.set_ylim(floor, 1.5 * float(curve.high.max()))

    return draw(f"{level}-odds", f"Odds by rank of the {level}", targets, paint)


def _number(value: float, digits: int = 2) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.{digits}f}"  # noqa: PLR2004 - three digits tell enough
