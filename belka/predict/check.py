"""What can be told about a SMILES before a model sees it: why it cannot be scored, or what makes its score doubtful."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from belka.chemistry.fingerprints import FingerprintSettings
from belka.chemistry.reader import Chemistry, TrainingBlocks
from belka.chemistry.smiles import SmilesText, parse, read_text
from belka.contract import LINKER, LINKER_REPLACEMENT, MASK_TOKEN, PAD_TOKEN
from belka.models.folder import ModelFolder
from belka.models.training_blocks import read_training_blocks
from belka.tokens.grammar import split_tokens

# Tanimoto similarity of the nearest training block below which a block counts as far.
FAR_BLOCK: Final = 0.4

_SHOWN: Final = 60  # characters of a name that was cut off


@dataclass(frozen=True)
class CheckedSmiles:
    """One input.

    Attributes:
        smiles: What the model gets, see `belka.chemistry.smiles.read_text`; empty where there is a `problem`.
        problem: Why it is not scored; empty when it is.
        warning: What makes the score doubtful, several joined by "; ".
        unknown_tokens: Tokens the model has never seen; it reads each as [MASK].
        ecfp: The packed fingerprint, where the model reads one.
        block_similarity: Of the building block that is least like those of training; None where there is no core or
            nothing to compare with.
    """

    smiles: str
    problem: str = ""
    warning: str = ""
    unknown_tokens: int = 0
    ecfp: bytes = b""
    block_similarity: float | None = None


@dataclass(frozen=True)
class CheckSettings:
    """What checking depends on; travels to worker processes.

    Attributes:
        vocabulary: Tokens the model knows.
        max_length: Tokens the model reads.
        ecfp: The fingerprint the model reads; None = none.
        training_blocks: uint8 [n, n_bytes], bits of the building blocks of training; None = unknown.
    """

    vocabulary: frozenset[str]
    max_length: int
    ecfp: FingerprintSettings | None = None
    training_blocks: NDArray[np.uint8] | None = field(default=None, compare=False)

    @classmethod
    def of(cls, model: ModelFolder) -> Self:
        """The settings of a model."""
        return cls(model.vocabulary, model.max_length, model.ecfp, read_training_blocks(model.path))


class SmilesChecker:
    """Checks SMILES for one model.

    Args:
        settings: What checking depends on.
    """

    def __init__(self, settings: CheckSettings) -> None:
        self._settings = settings
        self._chemistry = Chemistry(settings.ecfp)
        self._blocks = None if settings.training_blocks is None else TrainingBlocks(settings.training_blocks)

    def check_all(self, texts: Sequence[str | None]) -> list[CheckedSmiles]:
        """Check inputs; None = missing. One result per input, in their order."""
        return [self.check(text) for text in texts]

    def check(self, text: str | None) -> CheckedSmiles:
        """Check one input; None = missing."""
        found = read_text(text)
        plain = found.smiles.replace(LINKER, LINKER_REPLACEMENT)
        molecule = found.reason or parse(plain)
        return CheckedSmiles("", molecule) if isinstance(molecule, str) else self._described(found, plain, molecule)

    def _described(self, found: SmilesText, plain: str, molecule: Chem.Mol) -> CheckedSmiles:
        tokens = split_tokens(plain)
        known = self._settings.vocabulary
        unknown = Counter(token for token in tokens if token not in known or token in (PAD_TOKEN, MASK_TOKEN))
        warnings = [f"cut off behind the SMILES: {found.name[:_SHOWN]}"] if found.name else []
        if unknown:
            listed = ", ".join(f"{token} x{count}" for token, count in sorted(unknown.items()))
            warnings.append(f"tokens unknown to the model: {listed}")
        if len(tokens) > self._settings.max_length:
            warnings.append(f"only the first {self._settings.max_length} of {len(tokens)} tokens were read")
        if "." in tokens:
            warnings.append(f"{tokens.count('.') + 1} parts scored as one molecule")
        similarity = None
        if self._blocks is None:
            ecfp = self._chemistry.ecfp(molecule)
        else:
            ecfp, blocks = self._chemistry.ecfp_and_blocks(molecule)
            similarity = min(map(self._blocks.similarity, blocks), default=None)
            warnings += _library_warnings(similarity)
        return CheckedSmiles(found.smiles, "", "; ".join(warnings), unknown.total(), ecfp, similarity)


def _library_warnings(similarity: float | None) -> list[str]:
    if similarity is None:
        return ["not of the training library: no triazine core with three building blocks"]
    if similarity < FAR_BLOCK:
        return [f"a building block is far from those of training (similarity {similarity:.2f})"]
    return []
