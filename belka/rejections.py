"""The schema of every rejected.parquet."""

from typing import Final

import pyarrow as pa

from belka.contract import REJECTED_COLUMNS

# Values are kept as the raw text: what was wrong with a row may be that its id or label is no number.
REJECTED_SCHEMA: Final = pa.schema([(name, pa.int64() if name == "row" else pa.string()) for name in REJECTED_COLUMNS])
