"""The tokens of a vocabulary: our scan of bytes beside atomInSmiles."""

import pyarrow as pa
from atomInSmiles import smiles_tokenizer

from belka.demo.blocks import amine_blocks, amino_acid_blocks
from belka.tokens.scan import scan_tokens
from benchmarks.measurement import Comparison, measure

REFERENCE_SHARE = 20


def compare_vocabulary(smiles_count: int) -> Comparison:
    """Scan the tokens of mixtures of demo blocks.

    Args:
        smiles_count: SMILES to scan; the reference gets a twentieth of them.

    Returns:
        SMILES per second of scan_tokens beside atomInSmiles.smiles_tokenizer.

    Raises:
        AssertionError: The scan misses a token that the reference finds.
    """
    blocks = [block.catalogue_smiles for block in (*amino_acid_blocks(), *amine_blocks())]
    smiles = [f"{blocks[i % len(blocks)]}.{blocks[i // len(blocks) % len(blocks)]}" for i in range(smiles_count)]
    few = smiles[: max(1, smiles_count // REFERENCE_SHARE)]
    column = pa.array(smiles)
    reference, expected = measure(
        "atomInSmiles", len(few), "SMILES", lambda: {token for text in few for token in smiles_tokenizer(text)}
    )
    ours, found = measure("scan_tokens", smiles_count, "SMILES", lambda: set(scan_tokens(column).tokens))
    assert expected <= found
    return Comparison("Vocabulary, one core", reference, (ours,))
