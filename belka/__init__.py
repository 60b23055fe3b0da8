"""Molecules of DNA-encoded libraries: the domain that the pipeline is built on, usable without it.

What a notebook needs, each with an example in its docstring:

    load_model           a pushed model, and what it predicts for SMILES
    fingerprints         the bits of molecules, of any kind in the table `belka.chemistry.fingerprints.KINDS`
    FingerprintSettings  which kind, how many bits, which radius
    tokenize             the tokens that a SMILES is cut into
    read_molecules       the molecules table of a run
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from belka.chemistry.fingerprints import FingerprintSettings
    from belka.notebook import fingerprints, load_model, read_molecules, tokenize

__all__ = ["FingerprintSettings", "fingerprints", "load_model", "read_molecules", "tokenize"]


if not TYPE_CHECKING:  # type checkers take the imports above, and refuse every other name

    def __getattr__(name: str) -> object:
        """Load a name on first use (PEP 562): every module below imports this one, and most need no RDKit."""
        if name not in __all__:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        from belka import notebook

        return getattr(notebook, name)


def __dir__() -> list[str]:
    """Offer the names to completion before their first use."""
    return __all__
