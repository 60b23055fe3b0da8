"""What can be told about a SMILES before a model sees it: why it cannot be scored, and what makes its score doubtful.

RDKit decides what is a molecule where it is installed; elsewhere the grammar alone does, which lets impossible valences pass.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from components.data_contract import LINKER, LINKER_REPLACEMENT, MASK_TOKEN, PAD_TOKEN

MAX_CHARACTERS: Final = 5_000

# The tokens of atomInSmiles.smiles_tokenizer, which the exported model cuts SMILES into.
_TOKEN: Final = re.compile(r"\[[^\]]+\]|Br|Cl|%\d\d|[BCNOSPFIbcnosp().=#\-+\\/:~@?>*$0-9]")
_NOT_PRINTABLE: Final = re.compile(r"[^!-~]")
_ATOM: Final = re.compile(r"[A-Za-z*\[]")
_RING: Final = re.compile(r"%\d\d|\d")


@dataclass(frozen=True)
class CheckedSmiles:
    """One input.

    Attributes:
        smiles: What the model gets, without surrounding white space; empty where there is a `problem`.
        problem: Why it is not scored; empty when it is.
        warning: What makes the score doubtful, several joined by "; ".
        unknown_tokens: Tokens the model has never seen; it reads each as [MASK].
    """

    smiles: str
    problem: str = ""
    warning: str = ""
    unknown_tokens: int = 0


def check_all(texts: Sequence[str | None], vocabulary: frozenset[str], max_length: int) -> list[CheckedSmiles]:
    """Check many inputs.

    Args:
        texts: As given; None = missing.
        vocabulary: Tokens the model knows.
        max_length: Tokens the model reads.

    Returns:
        One result an input, in their order.
    """
    chem = _rdkit()
    return [check_smiles(text, vocabulary, max_length, chem) for text in texts]


def check_smiles(text: str | None, vocabulary: frozenset[str], max_length: int, chem: Any | None) -> CheckedSmiles:
    """Check one input.

    Args:
        text: As given; None = missing.
        vocabulary: Tokens the model knows.
        max_length: Tokens the model reads.
        chem: The module rdkit.Chem; None = check the grammar only.

    Returns:
        What was found.
    """
    smiles = (text or "").strip()
    plain = smiles.replace(LINKER, LINKER_REPLACEMENT)
    problem = _text_problem(smiles) or (_molecule_problem(plain, chem) if chem else _grammar_problem(plain))
    if problem:
        return CheckedSmiles("", problem)
    tokens = _TOKEN.findall(plain)
    unknown = Counter(token for token in tokens if token not in vocabulary or token in (PAD_TOKEN, MASK_TOKEN))
    warnings = []
    if unknown:
        listed = ", ".join(f"{token} x{count}" for token, count in sorted(unknown.items()))
        warnings.append(f"tokens unknown to the model: {listed}")
    if len(tokens) > max_length:
        warnings.append(f"only the first {max_length} of {len(tokens)} tokens were read")
    if "." in tokens:
        warnings.append(f"{tokens.count('.') + 1} parts scored as one molecule")
    return CheckedSmiles(smiles, warning="; ".join(warnings), unknown_tokens=unknown.total())


def _rdkit() -> Any | None:
    try:
        from rdkit import Chem
    except ImportError:
        return None
    return Chem


def _text_problem(smiles: str) -> str:
    if not smiles:
        return "empty SMILES"
    if len(smiles) > MAX_CHARACTERS:
        return f"longer than {MAX_CHARACTERS} characters"
    found = _NOT_PRINTABLE.search(smiles)
    if found:
        return f"no SMILES: {found.group()!a} at position {found.start() + 1}"
    return ""


def _molecule_problem(smiles: str, chem: Any) -> str:
    from rdkit.rdBase import BlockLogs

    with BlockLogs():
        molecule = chem.MolFromSmiles(smiles)
    if molecule is None:
        return "unparsable SMILES"
    return "" if molecule.GetNumAtoms() else "no atoms"


def _grammar_problem(smiles: str) -> str:
    if _TOKEN.sub("", smiles):
        return f"unparsable SMILES: {_TOKEN.sub('', smiles)[:20]!r} is no token"
    outside = re.sub(r"\[[^\]]+\]", "*", smiles)
    depth = 0
    for character in outside:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            break
    if depth:
        return "unparsable SMILES: parentheses do not match"
    if any(count % 2 for count in Counter(_RING.findall(outside)).values()):
        return "unparsable SMILES: a ring is not closed"
    return "" if _ATOM.search(outside) else "no atoms"
