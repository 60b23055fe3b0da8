"""`make bench`: our rate beside a plain reference in the same run. So far: the tokens of a vocabulary."""

import time
from collections.abc import Callable

import pyarrow as pa
from atomInSmiles import smiles_tokenizer

from components.demo_library.blocks import amine_blocks, amino_acid_blocks
from components.smiles_vocab.token_scan import scan_tokens

ROWS = 400_000
REFERENCE_ROWS = 20_000


def _rate(rows: int, work: Callable[[], set[str]]) -> tuple[float, set[str]]:
    start = time.perf_counter()
    tokens = work()
    return rows / (time.perf_counter() - start), tokens


def main() -> None:
    """Print rows/s of scan_tokens and of atomInSmiles on the same SMILES, and the ratio."""
    blocks = [block.catalogue_smiles for block in (*amino_acid_blocks(), *amine_blocks())]
    smiles = [f"{blocks[i % len(blocks)]}.{blocks[i // len(blocks) % len(blocks)]}" for i in range(ROWS)]
    column = pa.array(smiles)
    ours, found = _rate(ROWS, lambda: set(scan_tokens(column).tokens))
    reference, expected = _rate(
        REFERENCE_ROWS, lambda: {token for text in smiles[:REFERENCE_ROWS] for token in smiles_tokenizer(text)}
    )
    assert expected <= found
    print(f"vocabulary: {ours:,.0f} SMILES/s, atomInSmiles {reference:,.0f} SMILES/s, ratio {ours / reference:.1f}")


if __name__ == "__main__":
    main()
