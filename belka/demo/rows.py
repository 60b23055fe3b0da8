"""Rows of the raw files: one per (molecule, protein) pair, some taken out, some unusable.

A pipeline must refuse, count and list unusable rows: real raw files hold some, so the demo does too.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from belka.contract import RAW_ID, RAW_LABEL, RAW_PROTEIN, RAW_SMILES
from belka.demo.hidden_rule import PROTEINS

_MOLECULES_PER_UNUSABLE_ROW: Final = 250
_MAX_UNUSABLE_ROWS: Final = 8
_UNPARSABLE_SUFFIX: Final = "("  # a SMILES cut off behind an opening branch
_KINDS: Final = ("label", "protein", "id", "smiles")

Row = dict[str, Any]  # raw column -> value


def pair_rows(molecules: Sequence[Row], labels: NDArray[np.int64], *, first_id: int) -> list[Row]:
    """Make one row per (molecule, protein) pair; the rows of a molecule are adjacent.

    Args:
        molecules: Block and SMILES columns of n molecules.
        labels: int64 [n, n_proteins].
        first_id: Row id of the first pair; the others count up.
    """
    return [
        {RAW_ID: first_id + len(PROTEINS) * i + j, **columns, RAW_PROTEIN: protein, RAW_LABEL: int(labels[i, j])}
        for i, columns in enumerate(molecules)
        for j, protein in enumerate(PROTEINS)
    ]


def drop_pairs(rows: Sequence[Row], share: float, rng: np.random.Generator) -> tuple[list[Row], list[Row]]:
    """Take a share of the pairs out, at most one of each molecule; return what stays and what was taken."""
    molecules = len(rows) // len(PROTEINS)
    chosen = rng.choice(molecules, min(molecules, round(share * len(rows))), replace=False)
    dropped = set((chosen * len(PROTEINS) + rng.integers(len(PROTEINS), size=len(chosen))).tolist())
    return [row for i, row in enumerate(rows) if i not in dropped], [rows[i] for i in sorted(dropped)]


def unusable_train_rows(rows: Sequence[Row], missing: Sequence[Row], spare: Row, *, molecules: int) -> list[Row]:
    """Make unusable rows: label 2, no target, a pair with the id of another, a SMILES that cannot be parsed.

    One row for 250 molecules, at most eight: far below 1%, the share at which the pipeline stops by default, also
    together with the unparsable molecule of test. Hence none below 250 molecules.

    Args:
        rows: The usable rows; some are imitated.
        missing: Pairs taken out of `rows`: a label 2 for one of them contradicts nothing.
        spare: Block and SMILES columns of a molecule that neither train nor test holds.
        molecules: Number of training molecules.

    Returns:
        The rows, with ids behind those of all usable rows except the repeated one.
    """
    # Of each molecule at most one pair is missing, so the first one of these molecules is there, and its id taken.
    later = [row for row in missing if row[RAW_PROTEIN] != PROTEINS[0]]
    unusable: list[Row] = []
    for i in range(min(_MAX_UNUSABLE_ROWS, molecules // _MOLECULES_PER_UNUSABLE_ROW)):
        cycle, kind = divmod(i, len(_KINDS))
        row_id = len(PROTEINS) * molecules + i
        match _KINDS[kind]:
            case "label":
                row = {**missing[cycle], RAW_ID: row_id, RAW_LABEL: 2}
            case "protein":
                row = {**rows[cycle], RAW_ID: row_id, RAW_PROTEIN: "BRD9"}
            case "id":
                pair = later[cycle]
                row = {**pair, RAW_ID: pair[RAW_ID] - PROTEINS.index(pair[RAW_PROTEIN])}
            case _:
                row = unparsable_row(spare, row_id, PROTEINS[cycle])
        unusable.append(row)
    return unusable


def unparsable_row(spare: Row, row_id: int, protein: str = PROTEINS[0]) -> Row:
    """Make a row whose SMILES cannot be parsed; in test its id must be in the submission all the same.

    Args:
        spare: Block and SMILES columns of a molecule that neither train nor test holds.
        row_id: Its row id.
        protein: Its protein.
    """
    smiles = f"{spare[RAW_SMILES]}{_UNPARSABLE_SUFFIX}"
    return {RAW_ID: row_id, **spare, RAW_SMILES: smiles, RAW_PROTEIN: protein, RAW_LABEL: 0}
