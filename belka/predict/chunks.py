"""Rows of an input, checked and scored a chunk at a time, with the scores that are kept of earlier runs."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from belka.code_version import code_version
from belka.machine import release_freed_memory
from belka.models.folder import ModelFolder
from belka.predict.check import CheckedSmiles
from belka.predict.check_pool import CheckPool
from belka.predict.input_table import InputTable, read_rows, smiles_of
from belka.predict.kept_scores import KeptScores, ScoredRows
from belka.predict.predictor import Predictor, result_columns, score_checked
from belka.predict.rows import Rows


class Chunk(NamedTuple):
    """Rows to score.

    Attributes:
        rows: As read.
        texts: Their SMILES.
        name: What their scores are kept as; empty where they are not.
    """

    rows: Rows
    texts: list[str | None]
    name: str


def kept_scores(model: ModelFolder, output_file: Path, *, standardise: bool) -> KeptScores:
    """What is kept beside an output of this code, see `KeptScores`."""
    return KeptScores(model, output_file, code=code_version(__name__), standardise=standardise)


def chunks_of(table: InputTable, kept: KeptScores | None) -> Iterator[Chunk]:
    """The rows of an input, a few thousand at a time; every reader of the same input makes the same chunks."""
    for rows in read_rows(table):
        texts = smiles_of(rows.batch, table)
        yield Chunk(rows, texts, kept.name(texts, rows.problems) if kept else "")


def scored_chunks(
    chunks: Iterable[Chunk], checks: CheckPool, predictor: Predictor, kept: KeptScores | None
) -> Iterator[tuple[pa.RecordBatch, ScoredRows]]:
    """Each chunk with its scores, in order: those of an earlier run, or new ones.

    Args:
        chunks: The chunks.
        checks: Who checks their SMILES.
        predictor: Who scores them.
        kept: Where scores are found and kept; None = nowhere.
    """
    waiting: deque[tuple[Chunk, Callable[[], ScoredRows]]] = deque()
    schema = pa.schema(result_columns(predictor.model))

    def begin(chunk: Chunk) -> Callable[[], ScoredRows]:
        if kept is not None and (found := kept.find(chunk.name)):
            return lambda: found
        results = checks.submit(chunk.texts)

        def end() -> ScoredRows:
            both = zip(results(), chunk.rows.problems, strict=True)
            checked = [CheckedSmiles("", problem) if problem else item for item, problem in both]
            batch = pa.RecordBatch.from_arrays(score_checked(checked, predictor), schema=schema)
            scored = ScoredRows.of(checked, batch)
            if kept is not None:
                kept.keep(chunk.name, scored)
            return scored

        return end

    for chunk in chunks:
        waiting.append((chunk, begin(chunk)))
        if len(waiting) > checks.ahead:
            first, scores = waiting.popleft()
            yield first.rows.batch, scores()
            release_freed_memory()
    for chunk, scores in waiting:
        yield chunk.rows.batch, scores()
