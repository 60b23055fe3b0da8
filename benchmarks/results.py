"""Print the table of docs/results.md from results files: `python -m benchmarks.results FILE...`."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from belka.contract import SplitGroup

_KINDS: Final = ("kept", "last")


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Average precision by model as a Markdown table: mean over seeds, and the standard deviation between them.

    Args:
        rows: Objects with `model`, `seed` and, under `last` and maybe `kept`, average precision by `target/group`.

    Returns:
        One line a model and kind, best mean of both split groups first.
    """
    by_model: dict[tuple[str, str], list[Mapping[str, float]]] = {}
    for row in rows:
        for kind in _KINDS:
            if kind in row:
                by_model.setdefault((row["model"], kind), []).append(row[kind])
    cells = list(next(iter(by_model.values()))[0])
    lines = [
        f"| model | weights | seeds | mean | {' | '.join(group.label for group in SplitGroup)} | {' | '.join(cells)} |",
        "|---" * (6 + len(cells)) + "|",
    ]
    means = {key: float(np.mean([list(scores.values()) for scores in found])) for key, found in by_model.items()}
    for key in sorted(means, key=lambda key: -means[key]):
        found = by_model[key]
        groups = [_columns(found, [cell for cell in cells if cell.endswith("/" + group.label)]) for group in SplitGroup]
        values = [_columns(found, cells), *groups, *(_columns(found, [cell]) for cell in cells)]
        lines.append(f"| {key[0]} | {key[1]} | {len(found)} | {' | '.join(values)} |")
    return "\n".join(lines)


def _columns(found: Sequence[Mapping[str, float]], cells: Sequence[str]) -> str:
    """Mean over seeds of the mean over some columns, and its standard deviation."""
    by_seed = [float(np.mean([scores[cell] for cell in cells])) for scores in found]
    spread = f" ± {np.std(by_seed, ddof=1):.4f}" if len(by_seed) > 1 else ""
    return f"{np.mean(by_seed):.4f}{spread}"


def main() -> None:
    """Read the files named on the command line and print their table."""
    lines = [line for name in sys.argv[1:] for line in Path(name).read_text(encoding="utf-8").splitlines()]
    sys.stdout.write(table(json.loads(line) for line in lines) + "\n")


if __name__ == "__main__":
    main()
