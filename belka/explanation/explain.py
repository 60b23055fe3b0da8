"""What each building block and each atom brings to the log-odds that a model gives a molecule.

A block brings the log-odds of the molecule minus the mean of those of the molecules with other blocks in its place. An
atom brings what the log-odds lose when it is hidden (`belka.explanation.occlude`). Neither adds up to the whole:
what two parts bring together is in both.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from belka.chemistry.blocks.join import attached_text, join_blocks
from belka.demo.blocks import amine_blocks, amino_acid_blocks
from belka.explanation.occlude import Inputs, OccludableMolecule
from belka.models.calibration import log_odds
from belka.models.folder import open_model_folder
from belka.predict.check import CheckedSmiles, CheckSettings, SmilesChecker
from belka.predict.predictor import Predictor

SWAPS: Final = 24  # blocks that each block is compared with
TAKEN_AWAY: Final = 0.2  # share of the atoms that the deletion test hides
RANDOM_SETS: Final = 10
_BATCH: Final = 1_024
_LEAST: Final = 1e-6  # probability below which log-odds are cut

Floats = NDArray[np.float64]


class Part(NamedTuple):
    """A part of a molecule.

    Attributes:
        kind: `block` or `atom`.
        place: Position of the block, 1 to 3; number of the atom in the SMILES, from 0, without hydrogens and linker.
        name: The block with * in the core's place; the element.
        contributions: Log-odds that it brings, float64 [n_targets].
    """

    kind: str
    place: int
    name: str
    contributions: Floats


@dataclass(frozen=True)
class Explanation:
    """What the parts of a molecule bring.

    Attributes:
        smiles: The molecule as given.
        problem: Why there is no explanation; empty where there is one.
        log_odds: Of the whole, float64 [n_targets].
        parts: Blocks, then atoms.
        lost: Log-odds that hiding the atoms that bring most takes away, float64 [n_targets].
        lost_at_random: The mean of hiding as many atoms at random.
    """

    smiles: str
    problem: str
    log_odds: Floats
    parts: tuple[Part, ...] = ()
    lost: Floats | None = None
    lost_at_random: Floats | None = None


class Explainer:
    """Explains what one model says.

    Args:
        model_dir: See `open_model_folder`.
        blocks: Texts (`belka.chemistry.blocks.join`) of the blocks that each is compared with: of position 1, and of
            positions 2 and 3. None = common catalogue amino acids and amines. Of more than SWAPS some, evenly chosen.
        standardise: Whether the neutral parent of a molecule is explained.

    Raises:
        InputError: There is no such model.
        BelkaError: It cannot be used.
    """

    def __init__(
        self,
        model_dir: Path,
        blocks: tuple[Sequence[str], Sequence[str]] | None = None,
        *,
        standardise: bool = False,
    ) -> None:
        self.model = open_model_folder(model_dir)
        self._checker = SmilesChecker(CheckSettings.of(self.model, standardise=standardise))
        self._predictor = Predictor(self.model)
        if blocks is None:
            blocks = (
                [block.fragment for block in amino_acid_blocks()],
                [block.fragment for block in amine_blocks()],
            )
        self._others = [_evenly(each, SWAPS) for each in blocks]

    def explain(self, smiles: Sequence[str | None]) -> list[Explanation]:
        """Explain predictions.

        Args:
            smiles: Molecules as given; None = missing.

        Returns:
            One explanation for each.
        """
        return [self._explain(text) for text in smiles]

    def log_odds(self, inputs: Sequence[Inputs]) -> Floats:
        """Log-odds of molecules as the model gets them, float64 [n, n_targets]."""
        found = [np.empty((0, len(self.model.targets)))]
        for start in range(0, len(inputs), _BATCH):
            scores = self._predictor.predict(*zip(*inputs[start : start + _BATCH], strict=True))
            found.append(log_odds(np.clip(scores.probabilities.astype(np.float64), _LEAST, 1.0 - _LEAST)))
        return np.concatenate(found)

    def _explain(self, text: str | None) -> Explanation:
        checked = self._checker.check(text)
        if checked.problem:
            return Explanation(text or "", checked.problem, np.full(len(self.model.targets), np.nan))
        molecule = OccludableMolecule(checked, self.model)
        swapped = list(self._swapped(molecule))
        hidden = [molecule.occluded([atom]) for atom in range(molecule.n_atoms)]
        inputs = [molecule.occluded(()), *hidden, *(each for block in swapped for each in block)]
        odds = self.log_odds(inputs)
        whole, of_atoms, of_swaps = odds[0], odds[1 : len(hidden) + 1], odds[len(hidden) + 1 :]
        ends = np.cumsum([0, *map(len, swapped)])
        blocks = [
            Part(
                "block", place, f"*{attached_text(molecule.molecule, block)}", whole - of_swaps[start:end].mean(axis=0)
            )
            for place, (block, start, end) in enumerate(zip(molecule.blocks, ends[:-1], ends[1:], strict=True), 1)
            if end > start
        ]
        atoms = [Part("atom", atom, molecule.symbol(atom), whole - of_atoms[atom]) for atom in range(molecule.n_atoms)]
        lost = self._deletion(molecule, whole, whole - of_atoms)
        return Explanation(checked.smiles, "", whole, (*blocks, *atoms), *lost)

    def _swapped(self, molecule: OccludableMolecule) -> Iterator[list[Inputs]]:
        """For each block, the molecules that have another in its place."""
        texts = [attached_text(molecule.molecule, block) for block in molecule.blocks]
        for place, text in enumerate(texts):
            others = [other for other in self._others[min(place, 1)] if other != text]
            triples = ((*texts[:place], other, *texts[place + 1 :]) for other in others)
            joined = [join_blocks(first, second, third) for first, second, third in triples]
            checked = [self._checker.check(each) for each in joined if each is not None]
            yield [_inputs(each) for each in checked if not each.problem]

    def _deletion(self, molecule: OccludableMolecule, whole: Floats, contributions: Floats) -> tuple[Floats, Floats]:
        """What hiding the atoms that bring most takes away, and as many at random, float64 [n_targets] each."""
        count = max(1, round(TAKEN_AWAY * molecule.n_atoms))
        generator = np.random.default_rng(molecule.n_atoms)
        best = [np.argsort(-column, kind="stable")[:count].tolist() for column in contributions.T]
        at_random = [generator.permutation(molecule.n_atoms)[:count].tolist() for _ in range(RANDOM_SETS)]
        odds = whole - self.log_odds([molecule.occluded(atoms) for atoms in (*best, *at_random)])
        return np.diagonal(odds[: len(best)]).copy(), odds[len(best) :].mean(axis=0)


def explanation_table(explanations: Sequence[Explanation], targets: Sequence[str]) -> pa.Table:
    """One row for each molecule, target and part.

    Args:
        explanations: Of molecules.
        targets: Names of the targets.

    Returns:
        `row` int64, from 0; `smiles`; `problem`; `target`; `log_odds` float64 of the whole; `kind`; `place` int64;
        `part`; `contribution` float64. A molecule without an explanation has one row, with a problem.
    """
    rows = []
    for row, each in enumerate(explanations):
        given = {"row": row, "smiles": each.smiles, "problem": each.problem}
        if each.problem:
            rows.append(given)
        for column, target in enumerate(targets if not each.problem else ()):
            for part in each.parts:
                shown = {"kind": part.kind, "place": part.place, "part": part.name}
                found = {"log_odds": each.log_odds[column], "contribution": part.contributions[column]}
                rows.append({**given, "target": target, **shown, **found})
    text = ("smiles", "problem", "target", "kind", "part")
    names = ("row", "smiles", "problem", "target", "log_odds", "kind", "place", "part", "contribution")
    kinds = {"row": pa.int64(), "place": pa.int64(), **dict.fromkeys(text, pa.string())}
    return pa.Table.from_pylist(rows, pa.schema([(name, kinds.get(name, pa.float64())) for name in names]))


def deletion_summary(explanations: Sequence[Explanation], targets: Sequence[str]) -> str:
    """What the deletion test says of some molecules, in a sentence; empty where none has an explanation."""
    kept = [each for each in explanations if not each.problem]
    lost = np.array([each.lost for each in kept if each.lost is not None])
    at_random = np.array([each.lost_at_random for each in kept if each.lost_at_random is not None])
    if not len(lost):
        return ""
    shown = "; ".join(
        f"{target} {_rounded(lost[:, column].mean())} against {_rounded(at_random[:, column].mean())}"
        for column, target in enumerate(targets)
    )
    return (
        f"hiding the {TAKEN_AWAY:.0%} of atoms that bring most takes away log-odds of, against as many at random (mean "
        f"of {len(kept)} molecules): {shown}"
    )


def _rounded(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"  # no -0.00


def _inputs(checked: CheckedSmiles) -> Inputs:
    return Inputs(checked.smiles, checked.ecfp, checked.blocks)


def _evenly(texts: Sequence[str], count: int) -> list[str]:
    if len(texts) <= count:
        return list(texts)
    return [texts[place * len(texts) // count] for place in range(count)]
