"""Which columns of a raw table mean what: by the names of the configuration, in either of two layouts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from belka.contract import EXTRA_COUNT, EXTRA_SMILES, RAW_BLOCKS
from belka.errors import InputError
from belka.raw_directory import EXTRA, TEST, TRAIN, RawFile
from belka.settings import ColumnSettings, DataSettings

BLOCKS: Final = ("block1", "block2", "block3")
# How people call a column of theirs.
_LIKELY: Final = {
    "id": re.compile(r"^(id|name|compound|.*_id|.*name)$", re.IGNORECASE),
    "smiles": re.compile(r"smiles|structure", re.IGNORECASE),
    "protein": re.compile(r"protein|target", re.IGNORECASE),
    "label": re.compile(r"label|bind|active|hit", re.IGNORECASE),
}
_FOURTH_BLOCK: Final = re.compile(r"(building_?block|block|bb)_?4(_?smiles)?", re.IGNORECASE)


@dataclass(frozen=True)
class Columns:
    """The columns of a table.

    Attributes:
        names: Our name of a column (id, smiles, protein, label, block1, block2, block3) -> the table's; without those
            that it lacks.
        labels: Of a table with a column per target: the table's name of each, in the order of the targets; none in a
            test table.
        is_wide: Whether a row stands for all targets, and not for the one that it names.
    """

    names: dict[str, str]
    labels: tuple[str, ...] = ()
    is_wide: bool = False


def find_columns(file: RawFile, names: Sequence[str], data: DataSettings) -> Columns:
    """Find the columns of a table.

    A name is taken as it stands; if it stands nowhere, whatever its capitals, if that is one column.

    Args:
        file: The table.
        names: Its columns.
        data: Names of columns and of targets.

    Raises:
        InputError: A column is missing, or several fit.
    """
    asked = data.columns
    wanted = {
        "id": asked.id,
        "smiles": asked.smiles,
        "protein": asked.protein,
        "label": asked.label,
        **dict(zip(BLOCKS, (asked.block1, asked.block2, asked.block3), strict=True)),
    }
    optional = {name for name in (*BLOCKS, "id") if wanted[name] == ColumnSettings.model_fields[name].default}
    if file.source == TEST:
        optional = {*BLOCKS}
        del wanted["label"]
    if file.source == EXTRA:
        wanted, optional = {"smiles": EXTRA_SMILES, "label": EXTRA_COUNT}, set()
    else:
        _check_three_blocks(file, names, wanted["block3"])
    found = {ours: name for ours, theirs in wanted.items() if (name := find_name(file, names, theirs)) is not None}
    labels: tuple[str, ...] = ()
    is_wide = file.source != EXTRA and "protein" not in found
    if is_wide and file.source == TRAIN:
        by_target = {target: find_name(file, names, target) for target in data.targets}
        labels = tuple(name for name in by_target.values() if name is not None)
        if labels:
            missing = [target for target, name in by_target.items() if name is None]
            if missing:
                raise _lacking(file, names, missing, action="Correct data.targets, or add the columns of labels.")
        is_wide = bool(labels)
    optional |= {"protein", "label"} if is_wide else set()
    missing = [ours for ours in wanted if ours not in found and ours not in optional]
    if missing:
        lines = " ".join(f"--set data.columns.{ours}={_guess(ours, names)}" for ours in missing)
        raise _lacking(
            file,
            names,
            [wanted[ours] for ours in missing],
            action="Fetch the file again, or rename the columns."
            if file.source == EXTRA
            else f"Say what the columns are called: {lines}.",
        )
    return Columns({ours: name for ours, name in found.items() if not (is_wide and ours == "label")}, labels, is_wide)


def find_name(file: RawFile, names: Sequence[str], asked: str) -> str | None:
    """Find a column: the exact name wins, then the only one that differs in capitals; None where there is neither.

    Args:
        file: The table.
        names: Its columns.
        asked: The name.

    Raises:
        InputError: Several columns fit.
    """
    exact = [name for name in names if name == asked]
    alike = exact or [name for name in names if name.lower() == asked.lower()]
    if len(alike) > 1:
        raise InputError(
            f"Several columns of the raw {file.source} file may be the column {asked}.",
            received=f"{', '.join(alike)} in {file.path}",
            expected=f"one column {asked}",
            action="Rename the others, or name the one that is meant with --set data.columns...",
        )
    return alike[0] if alike else None


def _lacking(file: RawFile, names: Sequence[str], missing: Sequence[str], *, action: str) -> InputError:
    return InputError(
        f"The raw {file.source} file lacks the column {', '.join(missing)}.",
        received=f"{file.path} with the columns {', '.join(names)}",
        expected=f"the columns {', '.join((EXTRA_SMILES, EXTRA_COUNT) if file.source == EXTRA else _expected(file))}",
        action=action,
    )


def _guess(ours: str, names: Sequence[str]) -> str:
    """The only column that may be meant; else a word that stands for its name."""
    likely = [name for name in names if _LIKELY[ours].search(name)] if ours in _LIKELY else []
    return likely[0] if len(likely) == 1 else "NAME"


def _expected(file: RawFile) -> tuple[str, ...]:
    fields = ColumnSettings.model_fields
    return tuple(fields[name].default for name in fields if not (file.source == TEST and name == "label"))


def _check_three_blocks(file: RawFile, names: Sequence[str], third: str) -> None:
    fourth = [name for name in names if _FOURTH_BLOCK.fullmatch(name)]
    if fourth and third in (RAW_BLOCKS[2], *(name for name in names if name not in fourth)):
        raise InputError(
            "Libraries of four building blocks are not supported.",
            received=f"the column {fourth[0]} in {file.path}",
            expected="at most three building blocks, or none",
            action="Join two of the blocks to one, or leave all blocks out: then molecules are held out one by one.",
        )
