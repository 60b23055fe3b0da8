"""Whether the raw files are in the one spelling of `belka.chemistry.spelling`, and a copy of those that are not.

Where text equality is equality of structures, nothing more has to be done, and a sample proves it at a twentieth of the
merge's time. One deviation in it, and every molecule of that file is spelled anew before anything else looks at it: the
merge of a file is then that of the same file in the one spelling.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from belka.chemistry.smiles_column import usable_smiles
from belka.chemistry.spelling import canonical_spellings
from belka.progress import progress
from belka.raw_directory import RawFile
from belka.workers import WorkerPool
from components.parquet_merge.usable_smiles import usable_smiles_sql

logger = logging.getLogger(__name__)

# Up to so many rows of all files together every SMILES is looked at.
EXACT_ROWS = 200_000
# Beyond, 3,000 texts or one for 10,000 rows, in equal parts of each file: 5% of the time of a merge. None deviating
# among n says with 95% confidence that less than 3 / n of all do.
MIN_SAMPLE = 3_000
ROWS_PER_TEXT = 10_000
# More rows than that of one molecule make the sample smaller.
ROWS_PER_MOLECULE = 4
# Fewer are spelled sooner than processes start.
FEW_TEXTS = 10_000
CHUNK_TEXTS = 1_000
BATCH_ROWS = 1 << 18


class TextSample:
    """The SMILES of a file with the lowest hashes: the same ones in whatever order the rows come.

    Args:
        n_rows: Rows of the file, > 0.
        size: Texts wanted; None = all.
    """

    def __init__(self, n_rows: int, size: int | None) -> None:
        self.size = size
        share = 1.0 if size is None else min(1.0, ROWS_PER_MOLECULE * size / n_rows)
        self._highest = np.uint64(int(share * (2**64 - 2**11)))
        self._keys: dict[str, int] = {}

    @property
    def is_whole(self) -> bool:
        """Whether every SMILES of the file is in it."""
        return self.size is None

    def add(self, records: pa.Table) -> None:
        """Look at records: their order_key, which is a hash, and smiles."""
        keys = records["order_key"].to_numpy()
        places = np.flatnonzero(keys <= self._highest) if self.size is not None else np.arange(len(keys))
        if len(places):
            self._keys.update(zip(records["smiles"].take(places).to_pylist(), keys[places].tolist(), strict=True))

    def texts(self) -> list[str]:
        """The texts, lowest hash first."""
        return sorted(self._keys, key=lambda text: (self._keys[text], text))[: self.size]


def open_samples(n_rows: Mapping[str, int]) -> dict[str, TextSample]:
    """Make an empty sample for each file.

    Args:
        n_rows: Rows by source, > 0.
    """
    total = sum(n_rows.values())
    size = None if total <= EXACT_ROWS else max(MIN_SAMPLE, total // ROWS_PER_TEXT) // len(n_rows)
    return {source: TextSample(n, size) for source, n in n_rows.items()}


class Speller(ExitStack):
    """Spells texts, in several processes where there are many, and remembers those of the samples.

    Args:
        n_workers: Processes, >= 1.
    """

    def __init__(self, n_workers: int) -> None:
        super().__init__()
        self._n_workers = n_workers
        self._known: dict[str, str] = {}
        self._pool: WorkerPool | None = None

    def changed(self, texts: Sequence[str], *, remember: bool = False) -> dict[str, str]:
        """The texts that are not in the one spelling, with their spelling.

        Args:
            texts: Distinct texts.
            remember: Whether they will come again.
        """
        new = [text for text in texts if text not in self._known]
        found = dict(zip(new, self._spelled(new), strict=True))
        if remember:
            self._known.update(found)
        both = {text: found[text] if text in found else self._known[text] for text in texts}
        return {text: spelling for text, spelling in both.items() if spelling != text}

    def _spelled(self, texts: Sequence[str]) -> Iterable[str]:
        if self._n_workers == 1 or (len(texts) < FEW_TEXTS and self._pool is None):
            return canonical_spellings(texts)
        if self._pool is None:
            self._pool = self.enter_context(WorkerPool(self._n_workers))
        chunks = (texts[start : start + CHUNK_TEXTS] for start in range(0, len(texts), CHUNK_TEXTS))
        return chain.from_iterable(self._pool.map(canonical_spellings, chunks))


def find_deviations(files: Sequence[RawFile], samples: Mapping[str, TextSample], speller: Speller) -> list[RawFile]:
    """Look at the samples.

    Args:
        files: The raw files.
        samples: What was read of each.
        speller: Spells texts.

    Returns:
        The files in which a SMILES is not in the one spelling.
    """
    found = []
    for file in files:
        texts = samples[file.source].texts()
        changed = speller.changed(texts, remember=True)
        if changed:
            text, spelling = next(iter(changed.items()))
            logger.warning(
                "%s: %s of %s SMILES looked at are not RDKit's canonical ones, such as %s, which is %s; every molecule "
                "of the file is brought to them.",
                file.path,
                f"{len(changed):,}",
                f"{len(texts):,}",
                text,
                spelling,
            )
            found.append(file)
    return found


def write_respelled(engine: Any, file: RawFile, n_rows: int, speller: Speller, path: Path) -> None:
    """Copy the rows of a raw file with every molecule in the one spelling.

    Args:
        engine: DuckDB connection with the view `<source>_raw`.
        file: The raw file.
        n_rows: Number of its rows.
        speller: Spells texts.
        path: Parquet file to write: the columns of the view; smiles_spelled is null where smiles is in the spelling.
    """
    reader = engine.sql(f"SELECT * FROM {file.source}_raw").to_arrow_reader(BATCH_ROWS)  # noqa: S608 - a name of ours
    with (
        pq.ParquetWriter(path, reader.schema, compression="lz4") as writer,
        progress(f"spelling {file.source}", "rows", n_rows) as done,
    ):
        for batch in reader:
            columns = dict(zip(batch.schema.names, batch.columns, strict=True))
            smiles, _, _ = usable_smiles(columns["smiles"])
            texts = pc.unique(smiles).drop_null().to_pylist()
            columns["smiles_spelled"] = _mapped(smiles, speller.changed(texts).get)
            writer.write_batch(pa.RecordBatch.from_arrays(list(columns.values()), schema=reader.schema))
            done.add(batch.num_rows)


def count_respelled(engine: Any, sources: Iterable[str], respelled: Iterable[str]) -> dict[str, int]:
    """Count what the one spelling changed.

    Args:
        engine: DuckDB connection with the checked views.
        sources: All sources.
        respelled: Those of which a copy was made.

    Returns:
        `smiles_respelled`: usable rows whose SMILES was replaced; `twins_joined`: spellings, beyond the first, of
        structures that have several, in whichever files.
    """

    def usable(names: Iterable[str]) -> str:
        columns = "smiles, smiles_text, smiles_spelled"
        return f"({' UNION ALL '.join(f'SELECT {columns} FROM {name}_checked WHERE reason IS NULL' for name in names)})"  # noqa: S608

    respelled = tuple(respelled)
    if not respelled:
        return {"smiles_respelled": 0, "twins_joined": 0}
    # Only structures with a spelling that was replaced can have several.
    sql = (
        "WITH replaced AS (SELECT smiles, count(*) AS n_rows, "  # noqa: S608 - names of ours
        f"count(DISTINCT {usable_smiles_sql('smiles_text')}) AS n_spellings "
        f"FROM {usable(respelled)} WHERE smiles_spelled IS NOT NULL GROUP BY smiles), "
        f"canonical AS (SELECT DISTINCT smiles FROM {usable(sources)} SEMI JOIN replaced USING (smiles) "
        "WHERE smiles_spelled IS NULL) "
        "SELECT coalesce(sum(n_rows), 0), coalesce(sum(n_spellings) - count(*), 0) + (SELECT count(*) FROM canonical) "
        "FROM replaced"
    )
    n_rows, n_twins = engine.execute(sql).fetchall()[0]
    return {"smiles_respelled": int(n_rows), "twins_joined": int(n_twins)}


def _mapped(texts: pa.Array, function: Callable[[str], str | None]) -> pa.Array:
    """Apply a function to every distinct text; a missing one stays missing."""
    encoded = texts.dictionary_encode()
    return pa.array(map(function, encoded.dictionary.to_pylist()), pa.string()).take(encoded.indices)
