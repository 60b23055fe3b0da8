"""What went wrong while a file was read, and what did not because of the file."""

import errno

import duckdb
import pyarrow as pa
import pytest

from belka.errors import InputError, RunAgainError
from belka.queries import explained_errors


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "Error writing bytes to file. Detail: [errno 28] No space left on device"),
        duckdb.IOException('IO Error: Could not write file "spill.tmp": No space left on device'),
    ],
)
def test_a_disk_that_fills_up_while_a_file_is_read_is_no_fault_of_the_file(error: Exception) -> None:
    """Rows are dealt out to temporary files in the same block."""
    with pytest.raises(RunAgainError, match="The disk is full"), explained_errors("reading /data/train.parquet"):
        raise error


@pytest.mark.parametrize(
    "error", [pa.ArrowInvalid("Parquet magic bytes not found in footer"), OSError("Corrupt snappy compressed data.")]
)
def test_a_damaged_file_is_named(error: Exception) -> None:
    with (
        pytest.raises(InputError, match=r"while reading /data/train\.parquet"),
        explained_errors("reading /data/train.parquet"),
    ):
        raise error
