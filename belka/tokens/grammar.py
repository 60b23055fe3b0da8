"""The one grammar of SMILES tokens: that of `atomInSmiles.smiles_tokenizer`.

From left to right a token is a bracket atom `[...]` with at least one character inside, one of `TWO_LETTER_TOKENS`, one
character of `SINGLE_CHARACTERS`, or `%` and two digits. A character that starts none of them is skipped.

atomInSmiles is the oracle of the tests: all readers of this grammar (`split_tokens`, the scan of columns in
belka.tokens.scan and the graph in belka.tokens.graph) are held against it on real and on random strings. It is not
called at run time, because it takes one string at a time in Python, many times slower than the scan, and because a
saved model must find the same tokens without Python.

Source: Ucak, Ashyrmamatov, Lee: Improving the quality of chemical language model outcomes with atom-in-SMILES
tokenization, J. Cheminform. 15, 55 (2023).
"""

import re
from typing import Final

BRACKET_OPEN: Final = "["
BRACKET_CLOSE: Final = "]"
TWO_LETTER_TOKENS: Final = ("Br", "Cl")
SINGLE_CHARACTERS: Final = "BCNOSPFIbcnosp().=#-+\\/:~@?>*$0123456789"
RING_MARK: Final = "%"
RING_DIGITS: Final = 2

_TOKEN: Final = re.compile(
    "|".join(
        (
            rf"\{BRACKET_OPEN}[^\{BRACKET_CLOSE}]+\{BRACKET_CLOSE}",
            *TWO_LETTER_TOKENS,
            f"[{re.escape(SINGLE_CHARACTERS)}]",
            f"{RING_MARK}[0-9]{{{RING_DIGITS}}}",
        )
    )
)


def split_tokens(smiles: str) -> list[str]:
    """Split one SMILES into its tokens; characters that are part of none are left out."""
    return _TOKEN.findall(smiles)
