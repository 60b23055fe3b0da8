"""The tables of block statistics on disk: blocks.parquet, pairs.parquet and summary.json."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from belka.contract import (
    BLOCKS_FILE,
    PAIRS_FILE,
    STATISTICS_BLOCK,
    STATISTICS_COUNTS,
    STATISTICS_ODDS,
    STATISTICS_PAIR,
    STATISTICS_TARGET,
    SUMMARY_FILE,
)
from belka.errors import InputError
from belka.files import atomic_path
from belka.statistics.counts import BlockCounts, PositionCounts
from belka.statistics.odds import CONFIDENCE, Prior, shrunken_odds

_TEXT: Final = pa.dictionary(pa.int32(), pa.string())
_KEYS: Final = {BLOCKS_FILE: STATISTICS_BLOCK, PAIRS_FILE: STATISTICS_PAIR}
_SUMMARY_KEYS: Final = frozenset(["confidence", "molecules", "positions", "splits", "targets"])
_ROW_GROUP: Final = 1 << 20


def statistics_schema(name: str) -> pa.Schema:
    """Schema of blocks.parquet or pairs.parquet: target, blocks with their positions, counts, odds.

    Args:
        name: Name of the file.
    """
    keys = [(key, pa.int8() if key.endswith("position") else _TEXT) for key in _KEYS[name]]
    counts = [(key, pa.int64()) for key in STATISTICS_COUNTS]
    return pa.schema([(STATISTICS_TARGET, _TEXT), *keys, *counts, *((key, pa.float64()) for key in STATISTICS_ODDS)])


def write_statistics(
    counts: BlockCounts, output_dir: Path, *, about: dict[str, Any], confidence: float = CONFIDENCE
) -> dict[str, Any]:
    """Fit the priors and write the tables, each atomically: by target, by position, by SMILES of the blocks.

    Args:
        counts: What was counted.
        output_dir: Receives the files.
        about: What else summary.json tells.
        confidence: Probability within the intervals, in (0, 1).

    Returns:
        The content of summary.json.
    """
    priors: list[dict[str, Any]] = []
    for name, keys in _KEYS.items():
        schema = statistics_schema(name)
        chosen = [part for part in counts.by_positions.values() if 2 * len(part.positions) == len(keys)]
        with (
            atomic_path(output_dir / name) as temporary,
            # Readers look for the rows of a target; statistics of the other columns would cost a third of the time.
            pq.ParquetWriter(temporary, schema, compression="zstd", write_statistics=[STATISTICS_TARGET]) as writer,
        ):
            for target in range(len(counts.targets)):
                for part in chosen:
                    prior, table = _table(counts, part, target, schema, confidence)
                    priors.append(_prior_summary(counts, part, target, prior))
                    writer.write_table(table, row_group_size=_ROW_GROUP)
    summary = {
        **about,
        "targets": list(counts.targets),
        "molecules": counts.molecules,
        "blocks": len(counts.smiles),
        "confidence": confidence,
        "positions": sorted(priors, key=lambda entry: (len(entry["positions"]), entry["positions"])),
    }
    with atomic_path(output_dir / SUMMARY_FILE) as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return summary


def read_statistics(folder: Path, name: str, target: str) -> Iterator[pa.Table]:
    """Read what blocks.parquet or pairs.parquet says of a target, a position (pair of positions) at a time at most.

    Args:
        folder: Folder that `write_statistics` filled.
        name: Name of the file.
        target: The target.

    Yields:
        Tables of `statistics_schema`, at least one; it has no row where there is nothing about the target.

    Raises:
        InputError: The file is missing, damaged or of another form.
    """
    path, schema = folder / name, statistics_schema(name)
    try:
        with pq.ParquetFile(path) as file:
            if file.schema_arrow.names != schema.names:
                raise _damaged(path, f"the columns {', '.join(file.schema_arrow.names)}", ", ".join(schema.names))
            for group in range(file.metadata.num_row_groups):
                only = _only_value(file.metadata.row_group(group))
                if only == target:
                    yield file.read_row_group(group).cast(schema)
                elif only is None:
                    table = file.read_row_group(group).cast(schema)
                    yield table.filter(pc.equal(table[STATISTICS_TARGET].cast(pa.string()), target))
            yield schema.empty_table()
    except (OSError, pa.ArrowInvalid) as error:
        raise _damaged(path, str(error).split("\n", maxsplit=1)[0], "a whole file of block statistics") from error


def read_summary(folder: Path) -> dict[str, Any]:
    """Read summary.json of block statistics.

    Args:
        folder: Folder that `write_statistics` filled.

    Raises:
        InputError: It is missing or damaged.
    """
    path = folder / SUMMARY_FILE
    try:
        summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error), "the summary of block statistics") from error
    if not set(summary) >= _SUMMARY_KEYS:
        raise _damaged(path, f"the keys {', '.join(map(str, summary))}", f"also {', '.join(sorted(_SUMMARY_KEYS))}")
    return summary


def _table(
    counts: BlockCounts, part: PositionCounts, target: int, schema: pa.Schema, confidence: float
) -> tuple[Prior, pa.Table]:
    n = part.molecules.size
    known, hits = (np.ascontiguousarray(values[:, target]) for values in (part.known, part.hits))
    prior, odds = shrunken_odds(known, hits, confidence=confidence)
    smiles, names = pa.array(counts.smiles, pa.string()), pa.array(counts.targets, pa.string())
    keys: list[pa.Array] = []
    for position, blocks in zip(part.positions, part.blocks, strict=True):
        keys += [_constant(position, n, np.int8), _texts(blocks.astype(np.int32), smiles)]
    columns = [
        _texts(_constant(target, n, np.int32), names),
        *keys,
        *(pa.array(values) for values in (part.molecules, known, hits)),
        *(pa.array(values) for values in (odds.log_odds, odds.low, odds.high)),
        pa.array(np.full(n, prior.log_odds)),
    ]
    return prior, pa.Table.from_arrays(columns, schema=schema)


def _constant(value: int, n: int, kind: type[np.integer[Any]]) -> pa.Array:
    return pa.array(np.full(n, value, dtype=kind))


def _texts(codes: NDArray[np.int32] | pa.Array, values: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(codes, values)


def _prior_summary(counts: BlockCounts, part: PositionCounts, target: int, prior: Prior) -> dict[str, Any]:
    return {
        "positions": list(part.positions),
        "target": counts.targets[target],
        "rows": int(part.molecules.size),
        "known": int(part.known[:, target].sum()),
        "hits": int(part.hits[:, target].sum()),
        "prior_mean": prior.mean,
        "prior_weight": prior.weight,
    }


def _only_value(group: Any) -> str | None:
    """The target of a row group where its statistics tell that there is one only."""
    statistics = group.column(0).statistics
    if statistics is None or not statistics.has_min_max or statistics.min != statistics.max:
        return None
    value: str = statistics.min
    return value


def _damaged(path: Path, received: str, expected: str) -> InputError:
    return InputError(
        "Block statistics cannot be read.",
        received=f"{path}: {received}",
        expected=expected,
        action="Run the step generate_parquet again.",
    )
