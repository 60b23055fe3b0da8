"""The table of recipes: means over draws, paired differences to the best single fingerprint model."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

BEST_SINGLE: Final = "LightGBM, radius-3 counts of 4096"  # by its mean on draws 1 to 10
BLEND: Final = "blend"
WHOLE_BLEND: Final = "blend with the transformer"
_OF: Final = " @ "

Pairs = dict[str, list[tuple[dict[str, Any], dict[str, Any]]]]


def named(model: str, molecules: int | None) -> str:
    """The name of a model that learnt from so many molecules; None = from all of a draw."""
    return model if molecules is None else f"{model}{_OF}{molecules}"


def table_lines(results: Path, draws: Sequence[int]) -> Iterator[str]:
    """Mean over draws of each model, and its paired difference to the best single fingerprint model, as a table."""
    yield "| model | mean | sd | difference | sd of it | ahead | processor seconds |"
    yield "|---|---|---|---|---|---|---|"
    for name, pairs in _paired(results, draws).items():
        means = np.array([mine["mean"] for mine, _ in pairs])
        gains = means - [best["mean"] for _, best in pairs]
        seconds = np.mean([mine["seconds"] for mine, _ in pairs])
        yield (
            f"| {name} | {means.mean():.4f} | {_spread(means):.4f} | {gains.mean():+.4f} | {_spread(gains):.4f} "
            f"| {int((gains > 0).sum())} of {len(gains)} | {seconds:.0f} |"
        )


def blend_lines(results: Path, draws: Sequence[int]) -> Iterator[str]:
    """The blends' paired difference by draw and cell, with its standard error over draws; what the transformer adds."""
    paired = _paired(results, draws)
    for name in (BLEND, WHOLE_BLEND):
        if pairs := paired.get(name):
            differences = (f"{mine['seed']} {mine['mean'] - best['mean']:+.4f}" for mine, best in pairs)
            yield f"{name} by draw: {', '.join(differences)}"
            for cell in pairs[0][0]["cells"]:
                gains = np.array([mine["cells"][cell] - best["cells"][cell] for mine, best in pairs])
                yield f"{name}, {cell}: {gains.mean():+.4f} ± {_spread(gains) / np.sqrt(len(gains)):.4f}"
    without = {mine["seed"]: mine["mean"] for mine, _ in paired.get(BLEND, [])}
    whole = [mine for mine, _ in paired.get(WHOLE_BLEND, []) if mine["seed"] in without]
    if whole:
        gains = np.array([mine["mean"] - without[mine["seed"]] for mine in whole])
        yield (
            f"the transformer in the blend: {gains.mean():+.4f}, sd {_spread(gains):.4f}, "
            f"ahead on {int((gains > 0).sum())} of {len(gains)}"
        )


def _paired(results: Path, draws: Sequence[int]) -> Pairs:
    """Model -> its result and, from as many molecules, the best single model's on each draw that has both."""
    rows = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    found = {(row["model"], row["seed"]): row for row in rows}
    pairs: Pairs = {}
    for name in dict.fromkeys(row["model"] for row in rows):
        _, of, molecules = name.partition(_OF)
        for draw in draws:
            if {(name, draw), (BEST_SINGLE + of + molecules, draw)} <= found.keys():
                pairs.setdefault(name, []).append((found[name, draw], found[BEST_SINGLE + of + molecules, draw]))
    return pairs


def _spread(values: NDArray[np.float64]) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else float("nan")
