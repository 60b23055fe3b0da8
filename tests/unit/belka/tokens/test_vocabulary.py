"""read_vocabulary gives back what write_vocabulary wrote, and refuses what it did not write."""

from pathlib import Path

import pytest

from belka.errors import InputError
from belka.tokens.vocabulary import read_vocabulary, write_vocabulary


def test_what_is_written_is_read(tmp_path: Path) -> None:
    tokens = ["[PAD]", "[MASK]", "C", "[c\r]"]
    write_vocabulary(tmp_path / "new", tokens)
    assert read_vocabulary(tmp_path / "new") == read_vocabulary(tmp_path / "new" / "vocab.txt") == tokens


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "does not start with the special tokens"),
        (b"[MASK]\n[PAD]\nC\n", "does not start with the special tokens"),
        (b"[PAD]\n[MASK]\nC\nN\nC\n", r"repeated token(.|\n)*line 5: 'C' as on line 3"),
        (b"[PAD]\n[MASK]\n\nN\n", r"empty line(.|\n)*line 3"),
        (b"[PAD]\n[MASK]\n\xff\n", "cannot be read"),
    ],
)
def test_wrong_vocabularies_are_errors(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "vocab.txt").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_vocabulary(tmp_path)


def test_missing_vocabulary_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read(.|\n)*get_vocab"):
        read_vocabulary(tmp_path)
