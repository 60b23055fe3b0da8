"""Explain the first molecules of an input into a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from belka.errors import InputError
from belka.explanation.explain import Explainer, deletion_summary, explanation_table
from belka.predict.input_table import STANDARD_INPUT, open_input, read_rows, smiles_of
from belka.predict.output_table import open_output

MOST: Final = 100  # molecules; each takes some 150 predictions


class Explained(NamedTuple):
    """What was written.

    Attributes:
        molecules: Molecules that were looked at.
        left: Whether the input has more.
        summary: What the deletion test says; empty where no molecule has an explanation.
    """

    molecules: int
    left: bool
    summary: str


def explain_file(model_dir: Path, texts: Sequence[str | None], output: Path, *, standardise: bool = False) -> Explained:
    """Explain predictions and write the table of `explanation_table`.

    Args:
        model_dir: See `belka.models.folder.open_model_folder`.
        texts: SMILES as given; those behind number MOST are left out.
        output: .csv, .tsv (also .gz, .zst) or .parquet.
        standardise: Whether the neutral parent of a molecule is explained, see `LoadedModel`.

    Raises:
        InputError: The model or the output cannot be used.
    """
    explainer = Explainer(model_dir, standardise=standardise)
    found = explainer.explain(texts[:MOST])
    table = explanation_table(found, explainer.model.targets)
    with open_output(output, table.schema) as writer:
        for batch in table.to_batches():
            writer.write_batch(batch)
    return Explained(len(found), len(texts) > MOST, deletion_summary(found, explainer.model.targets))


def first_smiles(path: Path, column: str | None) -> list[str | None]:
    """The first SMILES of an input, one more than MOST where there are as many.

    Args:
        path: See `belka.predict.input_table.open_input`.
        column: The column with the SMILES; None = find it.

    Raises:
        InputError: It is standard input, which prediction has read, or cannot be read.
    """
    if path == STANDARD_INPUT:
        raise InputError(
            "Standard input can be read only once.",
            received="--explain with - as input",
            expected="SMILES as arguments, or a file",
            action="Write the SMILES into a file and name it with --input.",
        )
    texts: list[str | None] = []
    with open_input(path, column) as table:
        for batch, _ in read_rows(table):
            texts += smiles_of(batch, table)
            if len(texts) > MOST:
                break
    return texts[: MOST + 1]
