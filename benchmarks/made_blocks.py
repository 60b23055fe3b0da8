"""As many different building blocks as are asked for: real kinds of amines and amino acids, put together from parts."""

import itertools
from collections.abc import Iterator
from typing import Final

from belka.chemistry.blocks.join import text_of_attached
from belka.enumeration.library import ProductBlock

_SUBSTITUENTS: Final = (
    *("", "F", "Cl", "Br", "C", "CC", "C(C)C", "C(F)(F)F", "OC", "OC(F)(F)F", "C#N", "S(C)(=O)=O", "C(N)=O"),
    *("N(C)C", "OCC", "SC", "C(C)=O", "OC(F)F", "C(=O)OC", "NC(C)=O"),
)
_RINGS: Final = ("c{0}ccc({1})c({2})c{0}", "c{0}cc({1})cc({2})c{0}", "c{0}c({1})cccc{0}{2}", "c{0}ccc({1})nc{0}{2}")
_AMINES: Final = ("N", "NC", "NCC", "N[C@H](C)", "NCCC", "NCCO", "N(C)C", "N1CCC(CC1)", "NC1CC1", "NCC(O)")
_AMINO_ACIDS: Final = (
    "N[C@@H](C{0})C(=O)N[Dy]",
    "N[C@H](C{0})C(=O)N[Dy]",
    "N[C@H]({0})CC(=O)N[Dy]",
    "N[C@@H](CC{0})C(=O)N[Dy]",
    "NCC(C{0})C(=O)N[Dy]",
)


def made_amines(count: int) -> list[ProductBlock]:
    """Different amines, the same for the same number; a smaller number gives the first of them."""
    return _different((f"{start}{ring}" for ring, start in itertools.product(_rings(8), _AMINES)), count)


def made_amino_acids(count: int) -> list[ProductBlock]:
    """Different amino acids with the linker."""
    return _different((form.format(ring) for ring, form in itertools.product(_rings(9), _AMINO_ACIDS)), count)


def _rings(number: int) -> Iterator[str]:
    for one, two, ring in itertools.product(_SUBSTITUENTS, _SUBSTITUENTS, _RINGS):
        text = ring.format(number, one, two)
        yield text.replace("()", "")


def _different(texts: Iterator[str], count: int) -> list[ProductBlock]:
    found: dict[str, None] = {}
    for text in texts:
        if len(found) == count:
            break
        attached = text_of_attached(f"*{text}")
        if attached is not None:
            found[attached] = None
    assert len(found) == count, f"the parts make {len(found)} blocks"
    return [ProductBlock(text, text) for text in found]
