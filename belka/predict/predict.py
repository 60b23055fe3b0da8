"""Predict the affinities of single SMILES, or of a file of any length."""

import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

from belka.errors import InputError
from belka.machine import worker_count
from belka.models.folder import ModelFolder, open_model_folder
from belka.predict.check import CheckedSmiles, CheckSettings, SmilesChecker
from belka.predict.input_table import InputTable, open_input, read_rows, smiles_of
from belka.predict.output_table import open_output
from belka.predict.predictor import Predictor, result_columns, score_checked
from belka.predict.rows import Rows
from belka.predict.select_rows import RowSelector, Wish
from belka.workers import WorkerPool

# Chunks checked ahead of the one being scored; memory grows with it, not with the file.
_AHEAD: Final = 3
_PART_ROWS: Final = 1_024


@dataclass(frozen=True)
class PredictionSummary:
    """What happened to the rows of a file.

    Attributes:
        rows: Rows read, all of them written.
        scored: Rows with probabilities.
        warned: Scored rows with a warning.
        note: How the input was read and what was not looked at, where that needs a word.
        selected: What was selected, a sentence for each target asked for.
    """

    rows: int
    scored: int
    warned: int
    note: str = ""
    selected: tuple[str, ...] = ()


class LoadedModel:
    """A model in memory that predicts a few SMILES at a time.

    Args:
        model_dir: See `open_model_folder`.
        standardise: Whether the neutral parent of a molecule is scored, see `neutral_parent`.

    Attributes:
        targets: Proteins, in the order of the columns.
        notes: What cannot be looked at with this model, and why; empty where all can.

    Raises:
        BelkaError: The model cannot be used.
    """

    def __init__(self, model_dir: Path, *, standardise: bool = False) -> None:
        found = open_model_folder(model_dir)
        settings = CheckSettings.of(found, standardise=standardise)
        self._predictor = Predictor(found)
        self._checker = SmilesChecker(settings)
        self.targets, self.notes = found.targets, settings.notes()
        self._columns = result_columns(found)

    def predict(self, smiles: Sequence[str]) -> pa.Table:
        """Predict how likely each molecule binds each protein.

        Args:
            smiles: Any texts, in any spelling: a model trained on canonical SMILES gets theirs. The linker [Dy], or the
                only [H], belongs to the molecule; without one there is a warning where training had it.

        Returns:
            One row per text, in their order: `smiles` as given, `probability_<target>` per protein, of an ensemble also
            `spread_<target>` (the standard deviation over its members), `problem` (why there is no probability; empty
            where there is one), `warning`, `unknown_tokens`, and how far the molecule is from training:
            `block_similarity` and `new_blocks`.
        """
        arrays = score_checked(self._checker.check_all(smiles), self._predictor)
        schema = pa.schema([pa.field("smiles", pa.string()), *self._columns])
        return pa.Table.from_arrays([pa.array(smiles, pa.string()), *arrays], schema=schema)


def predict_smiles(model_dir: Path, smiles: Sequence[str]) -> pa.Table:
    """Load a model and predict a few SMILES, see `LoadedModel`."""
    return LoadedModel(model_dir).predict(smiles)


def predict_file(
    model_dir: Path,
    input_file: Path,
    output_file: Path | None,
    *,
    column: str | None = None,
    n_workers: int = 0,
    standardise: bool = False,
    select: Sequence[Wish] = (),
    on_progress: Callable[[int], None] | None = None,
) -> PredictionSummary:
    """Predict the SMILES of a file, a few thousand rows at a time.

    Every row of the input is a row of the output. Lines of a text file that are no row (too few or too many cells, a
    stray quote, the header again) and broken records of an SDF are rows too; their `problem` names the line.

    Args:
        model_dir: See `open_model_folder`.
        input_file: CSV, TSV, SMILES lines or SDF (plain, .gz or .zst), parquet, a folder of one of them, or `-` for
            standard input, a table or one SMILES a line.
        output_file: CSV, TSV (plain, .gz or .zst) or parquet: all columns of the input, then `result_columns`; every
            row in its place. It appears whole or not at all. None = CSV to standard output.
        column: The column with the SMILES; None = molecule_smiles, smiles or new_structure; of an SDF the structure.
        n_workers: Processes that check SMILES; 0 = all cores.
        standardise: See `LoadedModel`.
        select: What to select; each adds the column `selected_<target>`, see `RowSelector`.
        on_progress: Called with the rows written so far.

    Returns:
        What happened to the rows.

    Raises:
        InputError: The input or the output cannot be used; no file is written.
        BelkaError: The model cannot be used.
    """
    with open_input(input_file, column) as table:
        model = open_model_folder(model_dir)
        selector = RowSelector(model, select) if select else None
        settings = CheckSettings.of(model, standardise=standardise)
        with _Checker(settings, n_workers) as checks:
            return _predict_table(model, table, output_file, checks, selector, on_progress)


def _predict_table(
    model: ModelFolder,
    table: InputTable,
    output_file: Path | None,
    checks: "_Checker",
    selector: RowSelector | None,
    on_progress: Callable[[int], None] | None,
) -> PredictionSummary:
    added = result_columns(model)
    _check_output(table, output_file, [*added, *(selector.columns if selector else ())])
    predictor = Predictor(model)
    rows = scored = warned = 0
    schema = pa.schema([*table.schema, *added])
    with _open_table(output_file, schema, selector) as writer:
        for batch, checked in _checked(read_rows(table), checks, lambda batch: smiles_of(batch, table)):
            arrays = score_checked(checked, predictor)
            if selector is not None:
                selector.add(checked, arrays[: len(model.targets)])
            writer.write_batch(pa.RecordBatch.from_arrays([*batch.columns, *arrays], schema=schema))
            rows += batch.num_rows
            scored += batch.num_rows - arrays[0].null_count
            warned += sum(bool(item.warning) for item in checked)
            if on_progress is not None:
                on_progress(rows)
    told = tuple(selector.told) if selector else ()
    return PredictionSummary(rows, scored, warned, "; ".join(filter(None, (table.note, checks.settings.notes()))), told)


@contextmanager
def _open_table(output_file: Path | None, schema: pa.Schema, selector: RowSelector | None) -> Iterator[Any]:
    """Open the output. What is selected is known when all rows are: until then they wait in a temporary file."""
    if selector is None:
        with open_output(output_file, schema) as writer:
            yield writer
        return
    whole = pa.schema([*schema, *selector.columns])
    folder = None if output_file is None else output_file.absolute().parent
    with open_output(output_file, whole) as writer, tempfile.TemporaryDirectory(prefix=".belka-", dir=folder) as place:
        waiting = Path(place) / "rows.parquet"
        with open_output(waiting, schema) as first:
            yield first
        selector.finish()
        start = 0
        with pq.ParquetFile(waiting) as file:
            for batch in file.iter_batches(batch_size=_PART_ROWS):
                stop = start + batch.num_rows
                writer.write_batch(
                    pa.RecordBatch.from_arrays([*batch.columns, *selector.selected(start, stop)], schema=whole)
                )
                start = stop


_checker: SmilesChecker | None = None  # of a worker process


def _start_worker(settings: CheckSettings) -> None:
    global _checker  # noqa: PLW0603 - what a process pool's initializer makes has no other place
    _checker = SmilesChecker(settings)


def _check_part(texts: Sequence[str | None]) -> list[CheckedSmiles]:
    assert _checker is not None
    return _checker.check_all(texts)


class _Checker:
    """Checks SMILES in worker processes: parsing costs as much as scoring. The first chunk stays in this process."""

    def __init__(self, settings: CheckSettings, n_workers: int) -> None:
        self.settings = settings
        self._own = SmilesChecker(settings)
        self._workers = worker_count(n_workers)
        self._pool: WorkerPool | None = None
        self._chunks = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.__exit__(kind, error, trace)

    def submit(self, texts: Sequence[str | None]) -> Callable[[], list[CheckedSmiles]]:
        """Start to check a chunk; the function returned waits for the results."""
        self._chunks += 1
        if self._chunks == 1 or self._workers == 1:
            done = self._own.check_all(texts)
            return lambda: done
        if self._pool is None:
            self._pool = WorkerPool(self._workers, _start_worker, (self.settings,))
        starts = range(0, len(texts), _PART_ROWS)
        parts = [self._pool.submit(_check_part, texts[start : start + _PART_ROWS]) for start in starts]
        return lambda: [item for part in parts for item in part.result()]


def _checked(
    chunks: Iterable[Rows], checks: _Checker, texts_of: Callable[[pa.RecordBatch], list[str | None]]
) -> Iterator[tuple[pa.RecordBatch, list[CheckedSmiles]]]:
    waiting: deque[tuple[Rows, Callable[[], list[CheckedSmiles]]]] = deque()

    def first() -> tuple[pa.RecordBatch, list[CheckedSmiles]]:
        (batch, problems), results = waiting.popleft()
        found = zip(results(), problems, strict=True)
        return batch, [CheckedSmiles("", problem) if problem else item for item, problem in found]

    for chunk in chunks:
        waiting.append((chunk, checks.submit(texts_of(chunk.batch))))
        if len(waiting) > _AHEAD:
            yield first()
    while waiting:
        yield first()


def _check_output(table: InputTable, output_file: Path | None, added: Sequence[pa.Field]) -> None:
    if output_file is not None:
        output, source = output_file.absolute().resolve(), table.path.absolute().resolve()
        if output == source or (table.path.is_dir() and output.parent == source):
            raise InputError(
                "The output would replace the input, or lie among its files.",
                received=str(output_file),
                action="Give --output another name.",
            )
    repeated = sorted({field.name for field in added} & set(table.schema.names))
    if repeated:
        raise InputError(
            "The input already has a column that prediction adds.",
            received=f"{table.path}: {', '.join(repeated)}",
            expected="other names",
            action="Rename or drop the column.",
        )
