"""Build and read the vocabulary: the sorted distinct tokens of all molecules."""

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from belka.contract import FIRST_TOKEN_ID, MASK_TOKEN, PAD_TOKEN, SMILES_NO_LINKER, VOCAB_FILE
from belka.errors import InputError
from belka.files import atomic_path
from belka.molecules import MoleculeShard, list_shards, read_rows
from belka.tokens.scan import TokenScan, scan_tokens

_LOGGER = logging.getLogger(__name__)
_SPECIAL_TOKENS = (PAD_TOKEN, MASK_TOKEN)


def build_vocabulary(molecules_dir: Path, output_dir: Path, *, n_workers: int) -> list[str]:
    """Write `vocab.txt`: [PAD], [MASK], then the sorted distinct tokens of the molecules of all splits.

    Every molecule is scanned, because the rarest tokens are rare: a million molecules of a library may lack some.

    Args:
        molecules_dir: Folder written by ParquetMerge.
        output_dir: Folder for `vocab.txt`, made if needed.
        n_workers: Number of shards scanned at a time, at least 1.

    Returns:
        The tokens; the index is the id.

    Raises:
        InputError: If there are no molecules, or their SMILES hold no token.
    """
    if n_workers < 1:
        raise InputError("The number of workers is too small.", received=f"n_workers={n_workers}", expected="1 or more")
    found = TokenScan()
    with ThreadPoolExecutor(n_workers) as threads:
        for scan in threads.map(_scan_shard, list_shards(molecules_dir)):
            found.update(scan)
    if found.n_skipped:
        _LOGGER.warning(
            "%d characters belong to no SMILES token and are skipped, for example in %r", found.n_skipped, found.example
        )
    tokens = [*_SPECIAL_TOKENS, *sorted(_storable(found.tokens))]
    if len(tokens) == FIRST_TOKEN_ID:
        raise InputError(
            "The molecules hold no SMILES token.",
            received=f"only empty or unreadable {SMILES_NO_LINKER} in {molecules_dir}",
            expected="SMILES strings",
            action="Check the column molecule_smiles of the raw files.",
        )
    with atomic_path(output_dir / VOCAB_FILE) as temporary:
        temporary.write_bytes("".join(f"{token}\n" for token in tokens).encode())
    _LOGGER.info("vocabulary of %d tokens written to %s", len(tokens), output_dir / VOCAB_FILE)
    return tokens


def read_vocabulary(path: Path) -> list[str]:
    """Read a vocabulary and check it.

    Args:
        path: `vocab.txt`, or the folder that holds it.

    Returns:
        The tokens; the index is the id. [PAD] is 0 and [MASK] is 1.

    Raises:
        InputError: If the file is missing, is not UTF-8 text, does not start with [PAD], [MASK], or has an empty or repeated
            line.
    """
    file = path / VOCAB_FILE if path.is_dir() else path
    action = "Run the step get_vocab again; do not edit the file."
    try:
        lines = file.read_bytes().decode().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            "The vocabulary cannot be read.", received=f"{file}: {error}", expected="a text file", action=action
        ) from error
    tokens = lines[:-1] if lines[-1] == "" else lines
    if tuple(tokens[:FIRST_TOKEN_ID]) != _SPECIAL_TOKENS:
        raise InputError(
            "The vocabulary does not start with the special tokens.",
            received=f"{file} starts with {tokens[:FIRST_TOKEN_ID]}",
            expected=f"{', '.join(_SPECIAL_TOKENS)} on the first two lines",
            action=action,
        )
    line_of: dict[str, int] = {}
    for line, token in enumerate(tokens, start=1):
        if not token or token in line_of:
            raise InputError(
                "The vocabulary has an empty line." if not token else "The vocabulary has a repeated token.",
                received=f"{file}, line {line}" + (f": {token!r} as on line {line_of[token]}" if token else ""),
                expected="one distinct token a line",
                action=action,
            )
        line_of[token] = line
    return tokens


def _scan_shard(shard: MoleculeShard) -> TokenScan:
    """Scan one shard in batches that fit the processor's cache."""
    found = TokenScan()
    for batch in read_rows(shard.path, [SMILES_NO_LINKER]):
        found.update(scan_tokens(batch.column(0)))
    return found


def _storable(tokens: set[str]) -> set[str]:
    """Leave out tokens that a line of the file cannot hold or that would take the id of a special token."""
    refused = {token for token in tokens if "\n" in token or token in _SPECIAL_TOKENS}
    for token in sorted(refused):
        _LOGGER.warning("the token %r cannot be part of the vocabulary; it is read as %s", token, MASK_TOKEN)
    return tokens - refused
