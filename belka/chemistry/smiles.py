"""The one rule of what a usable molecule is: of its text first, then of the molecule that RDKit reads from it."""

import re
from typing import Final, NamedTuple

from rdkit import Chem
from rdkit.rdBase import BlockLogs

# Two molecules of 6,000 atoms keep a fingerprint of the kind avalon busy for ten minutes; the longest of the
# competition's has 170 characters, and models read the first few hundred tokens.
MAX_CHARACTERS: Final = 1_000
EMPTY_SMILES: Final = "empty SMILES"
LONG_SMILES: Final = f"SMILES of more than {MAX_CHARACTERS:,} characters"
UNPRINTABLE_SMILES: Final = "SMILES with a character other than printable ASCII"
UNPARSABLE_SMILES: Final = "unparsable SMILES"
TEXT_REASONS: Final = (EMPTY_SMILES, LONG_SMILES, UNPRINTABLE_SMILES)

# What programs write for a value that is missing; none of them is a SMILES.
_MISSING: Final = frozenset({"", "nan", "none", "null", "na", "n/a", "#n/a", "<na>", "nat"})
_LONGEST_MISSING: Final = max(map(len, _MISSING))
# A text that is used as it is. Every text that it does not match goes through `read_text`; so do a few short SMILES.
MIN_PLAIN_CHARACTERS: Final = _LONGEST_MISSING + 1
PLAIN_TEXT: Final = f"[!-~]{{{MIN_PLAIN_CHARACTERS},{MAX_CHARACTERS}}}"
_WHITE_SPACE: Final = " \t\n\v\f\r"
_NAME: Final = re.compile(r"[ \t].*", re.DOTALL)
_UNPRINTABLE: Final = re.compile(r"[^!-~]")


class SmilesText(NamedTuple):
    """The SMILES of a text.

    Attributes:
        smiles: Printable ASCII without white space, 1 to MAX_CHARACTERS characters; empty where there is a reason.
        name: What stood behind the SMILES and was cut off: a name, or the extensions of a CXSMILES.
        reason: Why the text holds no usable SMILES, one of TEXT_REASONS; empty where it does.
    """

    smiles: str
    name: str = ""
    reason: str = ""


def is_missing(text: str | None) -> bool:
    """Whether a text stands for a missing value: none at all, white space, or what programs write for it (nan, NA)."""
    stripped = (text or "").strip(_WHITE_SPACE)
    return len(stripped) <= _LONGEST_MISSING and stripped.lower() in _MISSING


def read_text(text: str | None) -> SmilesText:
    """Find the SMILES in a text; RDKit has not seen it yet.

    Surrounding white space is left out. What follows the first blank or tab is a name, as in a .smi file, or the
    extensions of a CXSMILES, and is cut off. Any other character that is not printable ASCII (a line break inside, a
    NUL, a zero-width space) makes the text unusable: what it was meant to be cannot be told.

    Args:
        text: The text; None = missing.
    """
    if is_missing(text):
        return SmilesText("", reason=EMPTY_SMILES)
    smiles, name = split_name(str(text))
    if _UNPRINTABLE.search(smiles[: MAX_CHARACTERS + 1]):
        return SmilesText("", reason=UNPRINTABLE_SMILES)
    if len(smiles) > MAX_CHARACTERS:
        return SmilesText("", reason=LONG_SMILES)
    return SmilesText(smiles, name)


def split_name(text: str) -> tuple[str, str]:
    """The SMILES of a text and what stands behind its first blank or tab, both without surrounding white space."""
    stripped = text.strip(_WHITE_SPACE)
    found = _NAME.search(stripped)
    return (stripped[: found.start()], found.group().strip(_WHITE_SPACE)) if found else (stripped, "")


def parse(smiles: str | None) -> Chem.Mol | str:
    """Read a SMILES with full sanitization; its text as `read_text` does.

    Sanitization is never skipped: a shortened parse is a third faster, but it accepts rings that RDKit cannot kekulize
    and gives other fingerprints for aromatic systems that other toolkits wrote, which no cheaper check finds.

    Args:
        smiles: The text; None = missing.

    Returns:
        A molecule with at least one atom, or the reason why there is none: one of TEXT_REASONS or UNPARSABLE_SMILES.
    """
    text = read_text(smiles)
    if text.reason:
        return text.reason
    with BlockLogs():
        molecule = Chem.MolFromSmiles(text.smiles)
    return UNPARSABLE_SMILES if molecule is None or not molecule.GetNumAtoms() else molecule
