"""Build the vocabulary: the sorted distinct tokens of all molecules."""

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from belka.chemistry.smiles_column import usable_smiles
from belka.contract import FIRST_TOKEN_ID, MASK_TOKEN, SMILES_NO_LINKER, VOCAB_FILE
from belka.errors import InputError
from belka.molecules import MoleculeShard, list_shards, read_rows
from belka.progress import progress
from belka.tokens.scan import TokenScan, scan_tokens
from belka.tokens.vocabulary import SPECIAL_TOKENS, write_vocabulary

logger = logging.getLogger(__name__)


def build_vocabulary(molecules_dir: Path, output_dir: Path, *, n_workers: int) -> list[str]:
    """Write `vocab.txt` and return its tokens: [PAD], [MASK], then the sorted distinct tokens of all molecules.

    Every molecule is scanned, because the rarest tokens are rare: a million molecules of a library may lack some.

    Args:
        molecules_dir: Folder written by ParquetMerge.
        output_dir: Folder for `vocab.txt`, made if needed.
        n_workers: Number of shards scanned at a time, at least 1.

    Raises:
        InputError: If there are no molecules, or their SMILES hold no token.
    """
    if n_workers < 1:
        raise InputError("The number of workers is too small.", received=f"n_workers={n_workers}", expected="1 or more")
    found = TokenScan()
    shards = list_shards(molecules_dir)
    total = sum(shard.n_rows for shard in shards)
    with ThreadPoolExecutor(n_workers) as threads, progress("reading SMILES", "molecules", total) as done:
        for scan, shard in zip(threads.map(_scan_shard, shards), shards, strict=True):
            found.update(scan)
            done.add(shard.n_rows)
    if found.n_skipped:
        logger.warning(
            "%d characters belong to no SMILES token and are skipped, for example in %r.",
            found.n_skipped,
            found.example,
        )
    tokens = [*SPECIAL_TOKENS, *sorted(_storable(found.tokens))]
    if len(tokens) == FIRST_TOKEN_ID:
        raise InputError(
            "The molecules hold no SMILES token.",
            received=f"only empty or unreadable {SMILES_NO_LINKER} in {molecules_dir}",
            expected="SMILES strings",
            action="Check the column molecule_smiles of the raw files.",
        )
    write_vocabulary(output_dir, tokens)
    logger.info("The vocabulary of %d tokens was written to %s.", len(tokens), output_dir / VOCAB_FILE)
    return tokens


def _scan_shard(shard: MoleculeShard) -> TokenScan:
    """Scan one shard in batches that fit the processor's cache."""
    found = TokenScan()
    for batch in read_rows(shard.path, [SMILES_NO_LINKER]):
        smiles, _, _ = usable_smiles(batch.column(0))
        found.update(scan_tokens(smiles))
    return found


def _storable(tokens: set[str]) -> set[str]:
    """Leave out tokens that would take the id of a special token."""
    refused = tokens & set(SPECIAL_TOKENS)
    for token in sorted(refused):
        logger.warning("The token %r cannot be part of the vocabulary; it is read as %s.", token, MASK_TOKEN)
    return tokens - refused
