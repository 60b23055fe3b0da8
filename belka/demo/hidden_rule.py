"""The rule that labels the demo molecules: additive contributions of substructures, plus noise, cut at a quantile.

score(molecule, protein) = sum over substructures of weight(protein, substructure) * count(molecule, substructure)
                           + noise, normal with NOISE_SHARE of the standard deviation of the noise-free scores
binds = 1 when the score is in the top POSITIVE_SHARE of the protein's training molecules.

Counts are additive over blocks, so that a small model learns the rule from few molecules and carries it to unseen blocks. It
resembles no real protein.
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


def noise_free_scores(counts: NDArray[np.int64], proteins: Sequence[str]) -> NDArray[np.float64]:
    """Apply the weights.

    Args:
        counts: int64 [n_molecules, n_substructures], summed over the blocks of each molecule.
        proteins: Proteins to score, keys of `WEIGHTS`.

    Returns:
        float64 [n_molecules, n_proteins].
    """
    weights = np.array([WEIGHTS[protein] for protein in proteins], dtype=np.float64)
    return np.asarray(counts @ weights.T, dtype=np.float64)


def thresholds(scores: NDArray[np.float64], proteins: Sequence[str]) -> NDArray[np.float64]:
    """Find the score above which a molecule binds.

    Args:
        scores: float64 [n_molecules, n_proteins], with noise, of the training molecules.
        proteins: Proteins, keys of `POSITIVE_SHARE`.

    Returns:
        float64 [n_proteins].
    """
    return np.array([np.quantile(scores[:, i], 1 - POSITIVE_SHARE[p]) for i, p in enumerate(proteins)])


def rule_description(proteins: Sequence[str], cut: NDArray[np.float64]) -> dict[str, Any]:
    """Describe the rule for meta.json.

    Args:
        proteins: Proteins, in the order of `cut`.
        cut: float64 [n_proteins], the thresholds.

    Returns:
        JSON-serialisable; substructures are SMARTS.
    """
    return {
        "score": "sum over substructures of weight x count in the molecule, plus normal noise; binds = score > threshold",
        "substructures": SUBSTRUCTURES,
        "weights": {protein: dict(zip(SUBSTRUCTURES, WEIGHTS[protein], strict=True)) for protein in proteins},
        "noise_share_of_score_deviation": NOISE_SHARE,
        "positive_share": {protein: POSITIVE_SHARE[protein] for protein in proteins},
        "threshold": dict(zip(proteins, cut.tolist(), strict=True)),
    }
