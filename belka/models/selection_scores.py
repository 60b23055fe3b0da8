"""selection.parquet beside a pushed model: what it gave held-out molecules of known label, and their new blocks.

`belka predict --select` learns from it where a list may end. It holds at most `MOST_MOLECULES` of the validation
molecules, drawn by a hash of their ids: with three targets about 1 MB.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from belka.contract import BINDS, LABEL_UNKNOWN, OUTPUT_PROBABILITIES, SELECTION_FILE
from belka.errors import InputError
from belka.files import atomic_path
from belka.hashing import splitmix64

MOST_MOLECULES: Final = 50_000
_NEW_BLOCKS: Final = "new_blocks"
_DRAW: Final = 23  # a step of the hash that nothing else draws with


@dataclass(frozen=True)
class SelectionScores:
    """Held-out molecules.

    Attributes:
        probabilities: float32 [n, n_targets], as served.
        labels: int8 [n, n_targets], label codes.
        new_blocks: int32 [n, 3], numbers of the building blocks that training never shows, each once; -1 = none.
    """

    probabilities: NDArray[np.float32]
    labels: NDArray[np.int8]
    new_blocks: NDArray[np.int32]


def write_selection_scores(scores: SelectionScores, ids: NDArray[np.int64], folder: Path) -> None:
    """Write selection.parquet into a folder, which exists.

    Args:
        scores: Of the validation molecules.
        ids: int64 [n], their ids, for the draw.
        folder: Receives the file; nothing where no label is known.
    """
    usable = np.flatnonzero(
        (scores.labels != LABEL_UNKNOWN).any(axis=1) & np.isfinite(scores.probabilities).all(axis=1)
    )
    if not usable.size:
        return
    rows = usable[np.argsort(splitmix64(ids[usable], _DRAW), kind="stable")[:MOST_MOLECULES]]
    columns: dict[str, NDArray[Any]] = {
        OUTPUT_PROBABILITIES: scores.probabilities[rows],
        BINDS: scores.labels[rows],
        _NEW_BLOCKS: scores.new_blocks[rows],
    }
    table = pa.table(
        {
            name: pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
            for name, values in columns.items()
        }
    )
    with atomic_path(folder / SELECTION_FILE) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_selection_scores(folder: Path) -> SelectionScores | None:
    """Read what `write_selection_scores` wrote.

    Args:
        folder: The folder of a pushed model.

    Returns:
        The molecules; None where the folder has no such file.

    Raises:
        InputError: The file is damaged.
    """
    path = folder / SELECTION_FILE
    if not path.is_file():
        return None
    try:
        table = pq.read_table(path).combine_chunks()
        values = [_matrix(table[name]) for name in (OUTPUT_PROBABILITIES, BINDS, _NEW_BLOCKS)]
    except (OSError, KeyError, AttributeError, ValueError) as error:
        raise InputError(
            "The scores of held-out molecules beside the model cannot be read.",
            received=f"{path}: {str(error).splitlines()[0]}",
            expected="the file as it was pushed",
            action="Copy the model again; or predict without --select.",
        ) from error
    return SelectionScores(values[0].astype(np.float32), values[1].astype(np.int8), values[2].astype(np.int32))


def _matrix(column: pa.ChunkedArray) -> NDArray[Any]:
    size = column.type.list_size
    flat: NDArray[Any] = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(-1, size)
