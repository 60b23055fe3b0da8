"""What can be told about a SMILES before a model sees it: why it cannot be scored, or what makes its score doubtful."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import rdkit
from numpy.typing import NDArray
from rdkit import Chem

from belka.chemistry.blocks.feature import NO_BLOCKS, BlocksFeature
from belka.chemistry.fingerprints import FingerprintSettings
from belka.chemistry.reader import Block, Chemistry, TrainingBlocks
from belka.chemistry.smiles import UNPARSABLE_SMILES, parse, read_text
from belka.chemistry.spelling import CANONICAL, spell, with_linker
from belka.chemistry.standardise import neutral_parent
from belka.contract import LINKER, LINKER_REPLACEMENT, MASK_TOKEN, PAD_TOKEN, TRAINING_BLOCKS_FILE
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
        smiles: What the model gets: the SMILES found in the text, in the spelling of the model's training, with its
            linker; empty where there is a `problem`.
        problem: Why it is not scored; empty when it is.
        warning: What makes the score doubtful, several joined by "; ".
        unknown_tokens: Tokens the model has never seen; it reads each as [MASK].
        ecfp: The packed fingerprint, where the model reads one.
        block_similarity: Of the building block that is least like those of training; None where there is no core or
            nothing to compare with.
        blocks: The feature `blocks`, where a member of the model reads it; empty where the molecule has none.
        new_blocks: Bits of each of its building blocks that no training molecule has; None where there is no core or
            nothing to compare with.
    """

    smiles: str
    problem: str = ""
    warning: str = ""
    unknown_tokens: int = 0
    ecfp: bytes = b""
    block_similarity: float | None = None
    blocks: bytes = NO_BLOCKS
    new_blocks: tuple[Block, ...] | None = None


@dataclass(frozen=True)
class CheckSettings:
    """What checking depends on; travels to worker processes.

    Attributes:
        vocabulary: Tokens the model knows.
        max_length: Tokens the model reads.
        ecfp: The fingerprint the model reads; None = none.
        training_blocks: uint8 [n, n_bytes], bits of the building blocks of training; None = unknown.
        spelling: Spelling of the SMILES that the model was trained on; empty = unknown.
        rdkit: Version of RDKit that spelled them; empty = unknown.
        standardise: Whether the neutral parent of a molecule is scored, see `neutral_parent`.
        block_readers: Members of the model that read the feature `blocks`.
    """

    vocabulary: frozenset[str]
    max_length: int
    ecfp: FingerprintSettings | None = None
    training_blocks: NDArray[np.uint8] | None = field(default=None, compare=False)
    spelling: str = ""
    rdkit: str = ""
    standardise: bool = False
    block_readers: tuple[str, ...] = ()

    @classmethod
    def of(cls, model: ModelFolder, *, standardise: bool = False) -> Self:
        """The settings of a model."""
        return cls(
            model.vocabulary,
            model.max_length,
            model.ecfp,
            read_training_blocks(model.path),
            model.spelling,
            model.rdkit,
            standardise,
            model.block_readers,
        )

    def notes(self) -> str:
        """What cannot be looked at with this model, and why; empty where all can."""
        found = []
        if self.training_blocks is None:
            found.append(
                f"the model has no {TRAINING_BLOCKS_FILE}: building blocks were not compared with those of training"
            )
        if not self.spelling:
            found.append(
                "the model does not say how the SMILES of its training were spelled: those given were scored as they "
                "are, and another spelling of a molecule has another score"
            )
        elif self.spelling != CANONICAL:
            found.append("the model was trained on SMILES as given: another spelling of a molecule has another score")
        elif self.rdkit != rdkit.__version__:
            found.append(
                f"the SMILES of training were spelled by RDKit {self.rdkit or '(unknown version)'}, those given by "
                f"{rdkit.__version__}, which may spell some molecules otherwise"
            )
        return "; ".join(found)


class SmilesChecker:
    """Checks SMILES for one model.

    Args:
        settings: What checking depends on.
    """

    def __init__(self, settings: CheckSettings) -> None:
        self._settings = settings
        self._chemistry = Chemistry(settings.ecfp)
        self._feature = BlocksFeature()
        self._blocks = None if settings.training_blocks is None else TrainingBlocks(settings.training_blocks)

    def check_all(self, texts: Sequence[str | None]) -> list[CheckedSmiles]:
        """Check inputs; None = missing. One result per input, in their order."""
        return [self.check(text) for text in texts]

    def check(self, text: str | None) -> CheckedSmiles:
        """Check one input; None = missing."""
        found = read_text(text)
        smiles, done = self._spelled(found.smiles)
        plain = smiles.replace(LINKER, LINKER_REPLACEMENT)
        molecule = found.reason or parse(plain)
        if isinstance(molecule, str):
            return CheckedSmiles("", molecule)
        warnings = [f"cut off behind the SMILES: {found.name[:_SHOWN]}"] if found.name else []
        if done:
            warnings.append(f"standardised: {done}")
        return self._described(smiles, plain, molecule, warnings)

    def _spelled(self, smiles: str) -> tuple[str, str]:
        """The SMILES as the model knows it, and what standardising did; as it is where it is no molecule."""
        is_canonical, standardise = self._settings.spelling == CANONICAL, self._settings.standardise
        molecule = parse(with_linker(smiles)) if is_canonical or standardise else UNPARSABLE_SMILES
        if isinstance(molecule, str):
            return smiles, ""
        molecule, done = neutral_parent(molecule) if standardise else (molecule, "")
        return spell(molecule) if is_canonical or done else smiles, done

    def _described(self, smiles: str, plain: str, molecule: Chem.Mol, warnings: list[str]) -> CheckedSmiles:
        tokens = split_tokens(plain)
        known = self._settings.vocabulary
        unknown = Counter(token for token in tokens if token not in known or token in (PAD_TOKEN, MASK_TOKEN))
        # Of an older model nobody knows whether its training had the linker.
        if self._settings.spelling == CANONICAL and LINKER_REPLACEMENT in known and LINKER not in smiles:
            warnings.append(f"no linker {LINKER}")
        if unknown:
            listed = ", ".join(f"{token} x{count}" for token, count in sorted(unknown.items()))
            warnings.append(f"tokens unknown to the model: {listed}")
        if len(tokens) > self._settings.max_length:
            warnings.append(f"only the first {self._settings.max_length} of {len(tokens)} tokens were read")
        if "." in tokens:
            warnings.append(f"{tokens.count('.') + 1} parts scored as one molecule")
        similarity, new_blocks = None, None
        if self._blocks is None:
            ecfp = self._chemistry.ecfp(molecule)
        else:
            ecfp, blocks = self._chemistry.ecfp_and_blocks(molecule)
            similarities = [self._blocks.similarity(block) for block in blocks]
            if similarities:
                similarity = min(similarities)
                new_blocks = tuple(block for block, like in zip(blocks, similarities, strict=True) if like < 1)
            warnings += _library_warnings(similarity)
        feature = NO_BLOCKS
        if self._settings.block_readers:
            marked = parse(smiles)
            feature = NO_BLOCKS if isinstance(marked, str) else self._feature.of(marked, molecule)
            if not feature:
                readers = ", ".join(self._settings.block_readers)
                warnings.append(f"not scored by {readers}: no three building blocks with one linker {LINKER}")
        return CheckedSmiles(smiles, "", "; ".join(warnings), unknown.total(), ecfp, similarity, feature, new_blocks)


def _library_warnings(similarity: float | None) -> list[str]:
    if similarity is None:
        return ["not of the training library: no triazine core with three building blocks"]
    if similarity < FAR_BLOCK:
        return [f"a building block is far from those of training (similarity {similarity:.2f})"]
    return []
