"""The SMILES of records, which are most of their bytes, read only where they are needed."""

from collections.abc import Callable
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

# So few are taken one by one: a molecule is cut in two where two batches of a sorted file meet, and nothing else
# repeats.
FEW_TEXTS = 1000


class Texts:
    """The SMILES of some records, read when first needed: mostly the keys tell all records apart.

    Args:
        read: Reads the SMILES of the records, in their order.
    """

    def __init__(self, read: Callable[[], pa.ChunkedArray]) -> None:
        self._read = read

    def take(self, rows: npt.NDArray[np.integer]) -> pa.Array:
        """Take the SMILES, string[n], of the records at some places, int [n]."""
        if len(rows) < FEW_TEXTS:
            return pa.array([self._pieces[row] for row in rows.tolist()], pa.string())
        return self._pieces.combine_chunks().take(pa.array(rows))

    @cached_property
    def _pieces(self) -> pa.ChunkedArray:
        return self._read()
