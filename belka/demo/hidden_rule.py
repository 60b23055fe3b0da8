"""The rule that labels the demo molecules: additive contributions of substructures, plus noise, cut at a quantile.

score(molecule, protein) = sum over substructures of weight(protein, substructure) * count(molecule, substructure)
                           + noise, normal with NOISE_SHARE of the standard deviation of the noise-free scores
binds = 1 when the score is in the top POSITIVE_SHARE of the protein's training molecules.

Counts are additive over blocks, so that a small model learns the rule from few molecules and carries it to unseen
blocks. It resembles no real protein.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from belka.demo.blocks import Block

NOISE_SHARE: Final = 0.25
POSITIVE_SHARE: Final = {"BRD4": 0.12, "HSA": 0.18, "sEH": 0.15}

SUBSTRUCTURES: Final = {
    "halogen": "[F,Cl,Br]",
    "benzene ring": "c1ccccc1",
    "aromatic nitrogen": "[n]",
    "aromatic sulfur or oxygen": "[o,s]",
    "nitrile or alkyne": "[C]#[C,N]",
    "sulfonyl": "S(=O)(=O)",
    "ether oxygen": "[OX2;H0;!$(OC=O)]([#6])[#6]",
    "saturated ring carbon": "[C;R;X4]",
    "stereocentre or branched carbon": "[CX4;H1,H0;!R]",
}

WEIGHTS: Final = {
    "BRD4": (-0.5, 0.3, 1.2, 1.0, 0.8, -1.0, 0.5, -0.2, 0.0),
    "HSA": (1.2, 0.9, -0.6, 0.3, -0.3, -0.6, -0.4, 0.1, 0.2),
    "sEH": (0.4, 0.2, -0.7, -0.5, 0.0, 1.0, 0.6, 0.5, 0.4),
}

PROTEINS: Final = tuple(WEIGHTS)


def substructure_counts(blocks: Sequence[Block]) -> NDArray[np.int64]:
    """Count the rule's substructures in each block as it is attached.

    Args:
        blocks: Building blocks.

    Returns:
        int64 [n_blocks, n_substructures].
    """
    patterns = [Chem.MolFromSmarts(smarts) for smarts in SUBSTRUCTURES.values()]
    fragments = [Chem.MolFromSmiles(block.fragment) for block in blocks]
    return np.array([[len(mol.GetSubstructMatches(p)) for p in patterns] for mol in fragments], dtype=np.int64)


def noise_free_scores(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Apply the weights.

    Args:
        counts: int64 [n_molecules, n_substructures], summed over the blocks of each molecule.

    Returns:
        float64 [n_molecules, n_proteins], in the order of PROTEINS.
    """
    return np.asarray(counts @ np.array(list(WEIGHTS.values()), dtype=np.float64).T, dtype=np.float64)


def noisy_scores(counts: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    """The scores that decide the labels: see `noise_free_scores`, with noise."""
    scores = noise_free_scores(counts)
    return np.asarray(scores + rng.normal(size=scores.shape) * NOISE_SHARE * scores.std(axis=0), dtype=np.float64)


def thresholds(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Find the score above which a molecule binds.

    Args:
        scores: float64 [n_molecules, n_proteins], with noise, of the training molecules.

    Returns:
        float64 [n_proteins].
    """
    return np.array([np.quantile(scores[:, i], 1 - share) for i, share in enumerate(POSITIVE_SHARE.values())])


def rule_description(cut: NDArray[np.float64]) -> dict[str, Any]:
    """Describe the rule for meta.json.

    Args:
        cut: float64 [n_proteins], the thresholds.

    Returns:
        JSON-serialisable; substructures are SMARTS.
    """
    return {
        "score": "sum over substructures of weight x count in the molecule, plus normal noise; "
        "binds = score > threshold",
        "substructures": SUBSTRUCTURES,
        "weights": {protein: dict(zip(SUBSTRUCTURES, weights, strict=True)) for protein, weights in WEIGHTS.items()},
        "noise_share_of_score_deviation": NOISE_SHARE,
        "positive_share": POSITIVE_SHARE,
        "threshold": dict(zip(PROTEINS, cut.tolist(), strict=True)),
    }
