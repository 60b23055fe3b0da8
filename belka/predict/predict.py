"""Predict the affinities of single SMILES, or of a file of any length."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from belka.errors import InputError
from belka.models.folder import ModelFolder, open_model_folder
from belka.predict.check import CheckSettings, SmilesChecker
from belka.predict.check_pool import CheckPool
from belka.predict.chunks import chunks_of, kept_scores, scored_chunks
from belka.predict.input_table import InputTable, open_input
from belka.predict.kept_scores import KeptScores
from belka.predict.output_table import open_output
from belka.predict.predictor import Predictor, result_columns, score_checked
from belka.predict.select_rows import RowSelector, Wish

_SELECTED_ROWS: Final = 1_024  # read at a time once the selection is known


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
            row in its place. It appears whole or not at all; until then scores are kept beside it, and the same call
            after a kill goes on with them (`KeptScores`). None = CSV to standard output.
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
        kept = kept_scores(model, output_file, standardise=standardise) if output_file is not None else None
        with CheckPool(settings, n_workers) as checks:
            return _predict_table(model, table, output_file, checks, selector, kept, on_progress)


def _predict_table(
    model: ModelFolder,
    table: InputTable,
    output_file: Path | None,
    checks: CheckPool,
    selector: RowSelector | None,
    kept: KeptScores | None,
    on_progress: Callable[[int], None] | None,
) -> PredictionSummary:
    added = result_columns(model)
    _check_output(table, output_file, [*added, *(selector.columns if selector else ())])
    predictor = Predictor(model)
    rows = scored = warned = 0
    schema = pa.schema([*table.schema, *added])
    with _open_table(output_file, schema, selector) as writer:
        for batch, found in scored_chunks(chunks_of(table, kept), checks, predictor, kept):
            if selector is not None:
                selector.add(found)
            writer.write_batch(pa.RecordBatch.from_arrays([*batch.columns, *found.batch.columns], schema=schema))
            rows += batch.num_rows
            scored += batch.num_rows - found.batch.column(0).null_count
            warned += sum(map(bool, found.batch.column("warning").to_pylist()))
            if on_progress is not None:
                on_progress(rows)
    if kept is not None:
        kept.remove()
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
            for batch in file.iter_batches(batch_size=_SELECTED_ROWS):
                stop = start + batch.num_rows
                writer.write_batch(
                    pa.RecordBatch.from_arrays([*batch.columns, *selector.selected(start, stop)], schema=whole)
                )
                start = stop


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
