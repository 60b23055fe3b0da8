"""Rows that a pipeline must refuse, count and list: real raw files hold some, so the demo does too."""

from typing import Any, Final

from belka import contract as dc

_MOLECULES_PER_ROW: Final = 250
_MAX_ROWS: Final = 8
_UNPARSABLE_SUFFIX: Final = "("  # a SMILES cut off behind an opening branch
_KINDS: Final = ("label", "protein", "id", "smiles")


def unusable_train_rows(
    rows: list[dict[str, Any]], missing: list[dict[str, Any]], spare: dict[str, Any], *, molecules: int
) -> list[dict[str, Any]]:
    """Make unusable rows: label 2, a protein that is no target, a pair with the id of another, a SMILES that cannot be parsed.

    One row for 250 molecules, at most eight: far below 1%, the share at which the pipeline stops by default, also together with
    the unparsable molecule of test. Hence none below 250 molecules.

    Args:
        rows: The usable rows; some are imitated.
        missing: Pairs taken out of `rows`: a label 2 for one of them contradicts nothing.
        spare: Block and SMILES columns of a molecule that neither train nor test holds.
        molecules: Number of training molecules.

    Returns:
        The rows, with ids behind those of all usable rows except the repeated one.
    """
    next_id = len(dc.DEFAULT_TARGETS) * molecules
    unusable: list[dict[str, Any]] = []
    for i in range(min(_MAX_ROWS, molecules // _MOLECULES_PER_ROW)):
        cycle, kind = divmod(i, len(_KINDS))
        match _KINDS[kind]:
            case "label":
                row = {**missing[cycle], dc.RAW_ID: next_id + i, dc.RAW_LABEL: 2}
            case "protein":
                row = {**rows[cycle], dc.RAW_ID: next_id + i, dc.RAW_PROTEIN: "BRD9"}
            case "id":
                row = _with_id_of_first_pair(missing, cycle)
            case _:
                row = _unparsable(spare, next_id + i, dc.DEFAULT_TARGETS[cycle])
        unusable.append(row)
    return unusable


def unusable_test_rows(spare: dict[str, Any], *, first_id: int) -> list[dict[str, Any]]:
    """Make the one unusable row of test: its id must still be in the submission, with the prediction of rejected rows.

    Args:
        spare: Block and SMILES columns of a molecule that neither train nor test holds.
        first_id: Its row id.

    Returns:
        One row whose SMILES cannot be parsed.
    """
    return [_unparsable(spare, first_id, dc.DEFAULT_TARGETS[0])]


def _with_id_of_first_pair(missing: list[dict[str, Any]], cycle: int) -> dict[str, Any]:
    """A missing pair under the id of its molecule's first pair, which is there: of each molecule at most one pair is missing."""
    first = dc.DEFAULT_TARGETS[0]
    pair = [row for row in missing if row[dc.RAW_PROTEIN] != first][cycle]
    return {**pair, dc.RAW_ID: pair[dc.RAW_ID] - dc.DEFAULT_TARGETS.index(pair[dc.RAW_PROTEIN])}


def _unparsable(spare: dict[str, Any], row_id: int, protein: str) -> dict[str, Any]:
    cut_off = str(spare[dc.RAW_SMILES]) + _UNPARSABLE_SUFFIX
    return {dc.RAW_ID: row_id, **spare, dc.RAW_SMILES: cut_off, dc.RAW_PROTEIN: protein, dc.RAW_LABEL: 0}
