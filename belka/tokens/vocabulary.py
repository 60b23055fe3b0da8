"""The file of the vocabulary: one token per line, the line number is the id."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from belka.contract import FIRST_TOKEN_ID, MASK_TOKEN, PAD_TOKEN, VOCAB_FILE
from belka.errors import InputError
from belka.files import atomic_path

SPECIAL_TOKENS: Final = (PAD_TOKEN, MASK_TOKEN)


def write_vocabulary(folder: Path, tokens: Sequence[str]) -> None:
    """Write `vocab.txt` into a folder, which is made if needed.

    Args:
        folder: Receives the file.
        tokens: [PAD], [MASK], then the others; the index is the id.
    """
    with atomic_path(folder / VOCAB_FILE) as temporary:
        temporary.write_bytes("".join(f"{token}\n" for token in tokens).encode())


def read_vocabulary(path: Path) -> list[str]:
    """Read a vocabulary and check it.

    Args:
        path: `vocab.txt`, or the folder that holds it.

    Returns:
        The tokens; the index is the id. [PAD] is 0 and [MASK] is 1.

    Raises:
        InputError: If the file is missing, is not UTF-8 text, does not start with [PAD], [MASK], or has an empty or
            repeated line.
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
    if tuple(tokens[:FIRST_TOKEN_ID]) != SPECIAL_TOKENS:
        raise InputError(
            "The vocabulary does not start with the special tokens.",
            received=f"{file} starts with {tokens[:FIRST_TOKEN_ID]}",
            expected=f"{', '.join(SPECIAL_TOKENS)} on the first two lines",
            action=action,
        )
    line_of: dict[str, int] = {}
    for line, token in enumerate(tokens, start=1):
        if not token or token in line_of:
            raise InputError(
                "The vocabulary has an empty line." if not token else "The vocabulary has a repeated token.",
                received=f"{file}, line {line}" + (f": {token!r} as on line {line_of[token]}" if token else ""),
                expected="one distinct token per line",
                action=action,
            )
        line_of[token] = line
    return tokens
