"""draws.parquet in the folder of a training: what a model's members said of molecules held out from them, draw by draw.

A draw trains the members anew on a part of the training molecules and scores the others. The evaluation trains its
baselines on the same parts: how much they differ, and by how much that varies, is no longer the luck of one split.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from belka.contract import DRAWS_FILE, MOLECULE_ID, OUTPUT_PROBABILITIES, SPLIT_GROUP
from belka.errors import BelkaError
from belka.files import atomic_path

_DRAW: Final = "draw"


@dataclass(frozen=True)
class DrawScores:
    """The molecules that one draw held out.

    Attributes:
        ids: int64 [n].
        groups: int8 [n], split groups: whether the draw's training molecules hold all of a molecule's blocks.
        probabilities: float32 [n, n_targets], by the members beside the transformer.
    """

    ids: NDArray[np.int64]
    groups: NDArray[np.int8]
    probabilities: NDArray[np.float32]


def write_draw_scores(draws: list[DrawScores], folder: Path) -> None:
    """Write draws.parquet.

    Args:
        draws: One after the other.
        folder: Receives the file.
    """
    scores = np.concatenate([draw.probabilities for draw in draws])
    table = pa.table(
        {
            _DRAW: np.repeat(np.arange(1, len(draws) + 1, dtype=np.int32), [len(draw.ids) for draw in draws]),
            MOLECULE_ID: np.concatenate([draw.ids for draw in draws]),
            SPLIT_GROUP: np.concatenate([draw.groups for draw in draws]),
            OUTPUT_PROBABILITIES: pa.FixedSizeListArray.from_arrays(pa.array(scores.ravel()), scores.shape[1]),
        }
    )
    with atomic_path(folder / DRAWS_FILE) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_draw_scores(folder: Path) -> list[DrawScores]:
    """Read what `write_draw_scores` wrote; nothing where it wrote nothing.

    Args:
        folder: Of the training.

    Raises:
        BelkaError: The file is damaged.
    """
    path = folder / DRAWS_FILE
    if not path.is_file():
        return []
    try:
        table = pq.read_table(path)
        numbers = table[_DRAW].to_numpy()
        ids, groups = table[MOLECULE_ID].to_numpy(), table[SPLIT_GROUP].to_numpy()
        column = table[OUTPUT_PROBABILITIES].combine_chunks()
        scores = column.flatten().to_numpy().reshape(-1, column.type.list_size)
    except (OSError, KeyError, AttributeError, ValueError) as error:
        raise BelkaError(
            "The scores of the draws cannot be read.",
            received=f"{path}: {str(error).splitlines()[0]}",
            expected="the file as the step train_model wrote it",
            action="Run the step train_model again.",
        ) from error
    return [
        DrawScores(ids[rows], groups[rows], scores[rows]) for rows in (numbers == draw for draw in np.unique(numbers))
    ]
