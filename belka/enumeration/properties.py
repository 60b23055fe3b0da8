"""Filters by properties of molecules, written `mw<=550`; computed by RDKit of the molecule without its linker."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from rdkit import Chem
from rdkit.Chem import QED, Crippen, Descriptors, Lipinski, rdMolDescriptors

from belka.errors import InputError

PROPERTIES: Final[Mapping[str, tuple[str, Callable[[Chem.Mol], float]]]] = MappingProxyType(
    {
        "mw": ("molecular weight in g/mol", Descriptors.MolWt),
        "logp": ("logarithm of the octanol-water partition, Crippen", Crippen.MolLogP),
        "tpsa": ("topological polar surface in square angstroms", rdMolDescriptors.CalcTPSA),
        "hbd": ("donors of hydrogen bonds, Lipinski", Lipinski.NumHDonors),
        "hba": ("acceptors of hydrogen bonds, Lipinski", Lipinski.NumHAcceptors),
        "rotatable": ("rotatable bonds", rdMolDescriptors.CalcNumRotatableBonds),
        "rings": ("rings", rdMolDescriptors.CalcNumRings),
        "heavy": ("atoms other than hydrogen", Lipinski.HeavyAtomCount),
        "fsp3": ("share of carbons that are sp3", rdMolDescriptors.CalcFractionCSP3),
        "qed": ("quantitative estimate of drug-likeness, 0 to 1", QED.qed),
    }
)
_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = MappingProxyType(
    {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}
)
_FILTER: Final = re.compile(r"\s*([a-z0-9]+)\s*(<=|>=|<|>)\s*([-+]?\d+(?:\.\d+)?)\s*")


class PropertyFilter(NamedTuple):
    """What a property must be.

    Attributes:
        name: A key of PROPERTIES.
        comparison: A key of the operators: <=, >=, < or >.
        value: What it is compared with.
    """

    name: str
    comparison: str
    value: float

    def passes(self, found: float) -> bool:
        """Whether a value is as it must be."""
        return _OPERATORS[self.comparison](found, self.value)


def parse_filters(texts: Sequence[str]) -> tuple[PropertyFilter, ...]:
    """Read filters.

    Raises:
        InputError: One is none, or names an unknown property.
    """
    found = []
    for text in texts:
        match = _FILTER.fullmatch(text.lower())
        if match is None or match[1] not in PROPERTIES:
            raise InputError(
                "The filter is none.",
                received=text,
                expected=f"one of {', '.join(PROPERTIES)}, then one of {' '.join(_OPERATORS)}, then a number",
                action="Write for example --filter 'mw<=550'.",
            )
        found.append(PropertyFilter(match[1], match[2], float(match[3])))
    return tuple(found)


def compute(names: Sequence[str], molecule: Chem.Mol) -> list[float]:
    """Properties of a sanitized molecule, in the order of their names."""
    return [float(PROPERTIES[name][1](molecule)) for name in names]
