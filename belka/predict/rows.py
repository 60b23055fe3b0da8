"""What every reader of prediction's inputs gives."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa


class Rows(NamedTuple):
    """Some rows of a table.

    Attributes:
        batch: Their cells; null where a row has none.
        problems: Why a row cannot be scored, and where it stands; None for a row that is as it should be.
    """

    batch: pa.RecordBatch
    problems: Sequence[str | None]


class Format(NamedTuple):
    """A format of input files.

    Attributes:
        name: What people call it.
        open: Files and the column that is asked for (None = any) -> the columns of the files, and which of them holds
            the SMILES where the format says so.
        read: File, and what `open` gave -> rows in order.
    """

    name: str
    open: Callable[[Sequence[Path], str | None], tuple[pa.Schema, str | None]]
    read: Callable[[Path, pa.Schema], Iterator[Rows]]
