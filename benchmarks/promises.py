"""What probabilities and lists promise, on held-out blocks of real labels.

    python -m benchmarks.promises --raw-dir RAW

Logistic regression on ECFP bits learns from molecules without any of the held-out blocks. These blocks are then dealt
in two halves, again and again: from the one it is learnt where a list ends, the other is the list. `--draws 5
--resplits 1` trains anew for each draw of held-out blocks instead.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]  # SciPy ships no types
from sklearn.linear_model import LogisticRegression

from belka.chemistry.direct import DirectFingerprints
from belka.chemistry.fingerprints import FingerprintSettings
from belka.contract import (
    LINKER,
    LINKER_REPLACEMENT,
    RAW_BLOCKS,
    RAW_LABEL,
    RAW_PROTEIN,
    RAW_SMILES,
    SMILES_NO_LINKER,
)
from belka.models.calibration import fit_calibration, log_odds, probabilities_of
from belka.predict.selection import NO_BLOCK, lowest_score
from components.affinity_evaluator.predictions import Predictions
from components.affinity_evaluator.reliability import Reliability, measure_reliability

HELD_OUT: Final = 0.12  # of all blocks
SHARES: Final = (0.8, 0.9, 0.95)
_STRENGTH: Final = 0.1


@dataclass(frozen=True)
class Measured:
    """Rows of one protein with a held-out block.

    Attributes:
        scores: float32 [n].
        hits: bool [n].
        new_blocks: int32 [n, 3], the held-out blocks of each, each once; -1 = none.
    """

    scores: NDArray[np.float32]
    hits: NDArray[np.bool_]
    new_blocks: NDArray[np.int32]

    def where(self, rows: NDArray[np.bool_]) -> "Measured":
        """The rows that are marked."""
        return Measured(self.scores[rows], self.hits[rows], self.new_blocks[rows])

    def halves(self, generator: np.random.Generator) -> tuple["Measured", "Measured"]:
        """Rows whose held-out blocks are all of the one half, and all of the other."""
        blocks = np.unique(self.new_blocks[self.new_blocks != NO_BLOCK])
        first = generator.permutation(blocks)[: blocks.size // 2]
        in_first = np.isin(self.new_blocks, first)
        in_second = (self.new_blocks != NO_BLOCK) & ~in_first
        has_first, has_second = in_first.any(axis=1), in_second.any(axis=1)
        return self.where(has_first & ~has_second), self.where(has_second & ~has_first)


def score_held_out(raw: pa.Table, draw: int) -> dict[str, Measured]:
    """Train without some blocks, and score what holds any of them.

    Args:
        raw: Rows of train.parquet, in any order.
        draw: Another number holds other blocks out.

    Returns:
        Protein -> its rows.
    """
    generator = np.random.default_rng(draw)
    smiles = [text.replace(LINKER, LINKER_REPLACEMENT) for text in raw[RAW_SMILES].to_pylist()]
    packed = DirectFingerprints(FingerprintSettings()).compute(pa.record_batch({SMILES_NO_LINKER: smiles})).packed
    bits = csr_matrix(np.unpackbits(packed, axis=1).astype(np.float32))
    names = np.stack([raw[name].to_numpy() for name in RAW_BLOCKS], axis=1)
    catalogue, codes = np.unique(names.astype(str), return_inverse=True)
    ids = codes.reshape(names.shape).astype(np.int32)
    held = np.zeros(catalogue.size + 1, np.bool_)
    held[generator.permutation(catalogue.size)[: int(HELD_OUT * catalogue.size)]] = True
    new = np.where(held[ids], ids, NO_BLOCK)
    for later, earlier in ((1, 0), (2, 0), (2, 1)):
        new[new[:, later] == new[:, earlier], later] = NO_BLOCK
    is_new, hits = (new != NO_BLOCK).any(axis=1), raw[RAW_LABEL].to_numpy() == 1
    proteins = raw[RAW_PROTEIN].to_numpy().astype(str)
    found = {}
    for protein in np.unique(proteins):
        known, tested = ((proteins == protein) & (is_new == which) for which in (False, True))
        model = LogisticRegression(C=_STRENGTH, solver="liblinear", random_state=0).fit(bits[known], hits[known])
        scores = model.predict_proba(bits[tested])[:, 1].astype(np.float32)
        found[str(protein)] = Measured(scores, hits[tested], new[tested].astype(np.int32))
    return found


def kept_promises(
    measured: Measured, share: float, resplits: int, seed: int
) -> Iterator[tuple[float, float, int, int]]:
    """Lists of resplits: their share of binders, that of Benjamini-Hochberg's, their rows, and those of the best.

    The best is the longest list that would have kept the promise, in hindsight. An empty list has the share 1.

    Source: Jin, Candes: Selection by prediction with conformal p-values, JMLR 24 (2023), for Benjamini-Hochberg's.
    """
    for number in range(resplits):
        known, listed = measured.halves(np.random.default_rng([seed, number]))
        n_units = np.unique(listed.new_blocks[listed.new_blocks != NO_BLOCK]).size
        end = lowest_score(known.scores, known.hits, known.new_blocks, share=share, n_units=n_units)
        chosen = listed.scores >= end
        negatives = np.sort(known.scores[~known.hits])
        p_values = (1 + negatives.size - np.searchsorted(negatives, listed.scores)) / (known.scores.size + 1)
        ordered = np.sort(p_values)
        passed = np.flatnonzero(ordered <= (1 - share) * np.arange(1, ordered.size + 1) / ordered.size)
        conformal = p_values <= (ordered[passed[-1]] if passed.size else -1)
        hits = listed.hits[np.argsort(-listed.scores, kind="stable")]
        kept = np.flatnonzero(np.cumsum(hits) / np.arange(1, hits.size + 1) >= share)
        shares = [float(listed.hits[rows].mean()) if rows.any() else 1.0 for rows in (chosen, conformal)]
        yield shares[0], shares[1], int(chosen.sum()), int(kept[-1]) + 1 if kept.size else 0


def reliability(measured: Measured, protein: str) -> Reliability:
    """The model's probabilities before and after calibration, judged by folds of held-out blocks."""
    odds, labels = log_odds(measured.scores[:, None]), measured.hits[:, None].astype(np.int8)
    calibration = fit_calibration(odds, labels)
    served = probabilities_of(calibration.applied(odds))
    ids = np.arange(len(labels))
    predictions = Predictions(ids, np.ones(len(labels), np.int8), labels, served)
    return measure_reliability(predictions, (protein,), calibration, measured.new_blocks, 42)[0]


def main() -> None:
    """Print a line for each protein and share."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raw-dir", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=1, help="Draws of held-out blocks; each trains anew.")
    parser.add_argument("--resplits", type=int, default=50, help="How often held-out blocks are dealt in halves.")
    arguments = parser.parse_args()
    raw = pq.read_table(arguments.raw_dir / "train.parquet")
    held_out = [score_held_out(raw, 1 + draw) for draw in range(arguments.draws)]
    for protein, measured in held_out[0].items():
        told = reliability(measured, protein)
        for name, figures in (("before", told.before), ("after", told.after)):
            if figures is not None:
                print(  # noqa: T201 - its purpose
                    f"{protein}, {told.n} rows, {name} calibration: mean {figures.mean_predicted:.3f} "
                    f"(binders {told.positives / told.n:.3f}), error {figures.expected_error:.3f}, "
                    f"log loss {figures.log_loss:.3f}"
                )
        for share in SHARES:
            lists = np.array(
                [
                    one
                    for draw, found in enumerate(held_out)
                    for one in kept_promises(found[protein], share, arguments.resplits, draw)
                ]
            )
            ours, theirs, rows, best = lists.T
            print(  # noqa: T201 - its purpose
                f"{protein} {share:.0%}: kept {(ours >= share).sum()} of {len(lists)}, {(rows == 0).sum()} empty, "
                f"length {rows.sum() / max(best.sum(), 1):.0%} of the best; Benjamini-Hochberg kept "
                f"{(theirs >= share).sum()}, mean share {theirs.mean():.3f}"
            )


if __name__ == "__main__":
    main()
