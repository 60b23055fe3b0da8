"""What the column binds holds: labels 0 and 1, or the read counts of DEL sequencing."""

from typing import Any

from belka.errors import InputError
from belka.queries import explained_errors, fetch_row
from belka.raw_directory import RawFile
from belka.settings import DataSettings

# Labels with strays are told from counts by how many values there are above 1, and how often.
MIN_COUNTS_ABOVE_ONE = 3
MIN_SHARE_ABOVE_ONE = 0.01
MIN_WHOLE_SHARE = 0.9
SHOWN_THRESHOLDS = (1, 2, 3, 5, 10, 20, 50, 100)
_IS_COUNT = "isfinite(label) AND label >= 0 AND label = trunc(label)"


class ReadCountsError(InputError):
    """The labels are read counts, and nothing says which of them bind."""

    # The least that leaves single reads out, which sequencing makes by chance.
    least_threshold = 2


def check_counts(engine: Any, file: RawFile) -> None:
    """Refuse labels that are read counts, however few of them are above 1: dropping those drops every real hit.

    Args:
        engine: DuckDB connection with the view `train_raw`.
        file: The training file, some of whose labels are neither 0 nor 1.

    Raises:
        ReadCountsError: The labels look like counts; it says how many pairs each threshold would make positive.
    """
    hits = ", ".join(f"count(*) FILTER ({_IS_COUNT} AND label >= {number})" for number in SHOWN_THRESHOLDS)
    with explained_errors(f"reading {file.path}"):
        n_labels, n_whole, n_above_one, n_values, highest, *n_hits = fetch_row(
            engine,
            f"SELECT count(label), count(*) FILTER ({_IS_COUNT}), count(*) FILTER ({_IS_COUNT} AND label > 1), "  # noqa: S608 - names of ours
            f"count(DISTINCT label) FILTER ({_IS_COUNT} AND label > 1), max(label) FILTER ({_IS_COUNT}), {hits} "
            "FROM train_raw",
        )
    is_count = (
        n_values >= MIN_COUNTS_ABOVE_ONE
        and n_above_one > MIN_SHARE_ABOVE_ONE * n_hits[0]
        and n_whole >= MIN_WHOLE_SHARE * n_labels
    )
    if not is_count:
        return
    by_threshold = "; ".join(f"{n:,} of {t} or more" for t, n in zip(SHOWN_THRESHOLDS, n_hits, strict=True) if n)
    raise ReadCountsError(
        "The labels of the raw train file look like read counts.",
        received=f"{n_values:,} different whole numbers from 2 to {highest:,.0f} in {file.path}; rows: {by_threshold}",
        expected="0 and 1, or the least count of a pair that binds",
        action="Choose that count and give it with --set 'data.binds={threshold: N}': rows of N or more become 1, the "
        "others 0.",
    )


def check_threshold(engine: Any, file: RawFile, data: DataSettings) -> None:
    """Refuse a threshold that makes every pair a negative.

    Args:
        engine: DuckDB connection with the view `train_raw`.
        file: The training file.
        data: The threshold.

    Raises:
        InputError: No row reaches it.
    """
    with explained_errors(f"reading {file.path}"):
        (highest,) = fetch_row(engine, "SELECT max(label) FROM train_raw")
    if data.binds and highest is not None and highest < data.binds.threshold:
        raise InputError(
            "No row of the raw train file reaches data.binds.threshold.",
            received=f"counts up to {highest:,.0f} in {file.path}, threshold {data.binds.threshold:,}",
            expected="a count that some pairs reach",
            action="Lower the threshold; where the labels are 0 and 1 leave data.binds out.",
        )
