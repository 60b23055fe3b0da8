"""Which fingerprint the Examples hold: the table of kinds, and the settings; free of RDKit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from belka.contract import Node
from belka.settings import StrictSection, decides

BITS_PER_BYTE: Final = 8
_ROGERS_HAHN: Final = "Rogers, Hahn, J. Chem. Inf. Model. 50, 742 (2010)"


@dataclass(frozen=True)
class FingerprintKind:
    """A binary fingerprint of the molecular graph, without conformers: one row of the table.

    Attributes:
        name: The kind as a sentence names it.
        generator: Class of scikit-fingerprints that computes it. (ECFP has faster ways of its own; the class is its
            oracle.)
        source: Where the fingerprint is defined.
        n_keys: Number of bits where each has a meaning of its own; None = hashed into any number of bits.
        has_radius: Whether the radius changes the bits.
        has_chirality: Whether it can tell enantiomers apart.
        options: Further arguments of the generator.
        rate: Molecules per second on one core, parsing included, as docs/fingerprints.md measured it.
    """

    name: str
    generator: str
    source: str
    rate: int
    n_keys: int | None = None
    has_radius: bool = False
    has_chirality: bool = False
    options: Mapping[str, bool] = field(default_factory=dict)

    @property
    def n_bits(self) -> int | None:
        """The only size of a kind with keys, which are padded to whole bytes; None = any.

        Keys are padded no further: bits that are zero in every molecule would make the loss of the stage fps look small
        and teach nothing.
        """
        return None if self.n_keys is None else -(-self.n_keys // BITS_PER_BYTE) * BITS_PER_BYTE


KINDS: Final[Mapping[str, FingerprintKind]] = MappingProxyType(
    {
        "ecfp": FingerprintKind(
            "ECFP", "ECFPFingerprint", _ROGERS_HAHN, rate=2500, has_radius=True, has_chirality=True
        ),
        "fcfp": FingerprintKind(
            "FCFP",
            "ECFPFingerprint",
            f"{_ROGERS_HAHN}, with pharmacophoric invariants",
            rate=1600,
            has_radius=True,
            has_chirality=True,
            options={"use_pharmacophoric_invariants": True},
        ),
        "atom_pair": FingerprintKind(
            "atom pair",
            "AtomPairFingerprint",
            "Carhart, Smith, Venkataraghavan, J. Chem. Inf. Comput. Sci. 25, 64 (1985)",
            rate=2100,
            has_chirality=True,
        ),
        "topological_torsion": FingerprintKind(
            "topological torsion",
            "TopologicalTorsionFingerprint",
            "Nilakantan et al., J. Chem. Inf. Comput. Sci. 27, 82 (1987)",
            rate=2000,
            has_chirality=True,
        ),
        "rdkit": FingerprintKind("RDKit path", "RDKitFingerprint", "The RDKit Book, RDKit Fingerprints", rate=600),
        "avalon": FingerprintKind(
            "Avalon", "AvalonFingerprint", "Gedeck, Rohde, Bartels, J. Chem. Inf. Model. 46, 1924 (2006)", rate=400
        ),
        "maccs": FingerprintKind(
            "MACCS",
            "MACCSFingerprint",
            "Durant et al., J. Chem. Inf. Comput. Sci. 42, 1273 (2002)",
            rate=1000,
            n_keys=166,
        ),
        "pubchem": FingerprintKind(
            "PubChem",
            "PubChemFingerprint",
            "PubChem Substructure Fingerprint, version 1.3 (2009)",
            rate=110,
            n_keys=881,
        ),
    }
)


def _known(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"the kind of fingerprint is unknown, expected one of {', '.join(KINDS)}")
    return kind


class FingerprintSettings(StrictSection):
    """The fingerprint of the Examples: what the stage fps predicts and model.ecfp_branch reads.

    Example:
        >>> import belka
        >>> belka.FingerprintSettings(kind="fcfp", size=1024, radius=3).description
        'FCFP of 1024 bits, radius 3, with chirality'
    """

    DECIDES: ClassVar = (Node.BLOCK_FINGERPRINTS, Node.MOLECULE_TRANSFORM, Node.TRAINER)

    kind: Annotated[str, AfterValidator(_known)] = Field(
        default="ecfp",
        description="Kind of the fingerprint; docs/fingerprints.md lists them with what each tells and costs. All but "
        "ecfp are computed by scikit-fingerprints, each from its SMILES.",
    )
    size: int = Field(
        default=2048,
        ge=8,
        multiple_of=BITS_PER_BYTE,
        json_schema_extra=decides(*DECIDES, unit="bits"),
        description="Number of bits, a multiple of 8; a kind with keys has one size only.",
    )
    radius: int = Field(
        default=2,
        ge=0,
        le=6,
        json_schema_extra=decides(*DECIDES, unit="bonds"),
        description="Bonds around each atom (ECFP4 has radius 2), where the kind has a radius.",
    )
    chirality: bool = Field(
        default=True,
        description="Whether stereo centres change the fingerprint, where the kind can see them. Atom pairs of "
        "enantiomers collide in 512, 1024 and 2048 bits, not in 4096.",
    )
    method: Literal["auto", "direct"] = Field(
        default="auto",
        json_schema_extra=decides(Node.BLOCK_FINGERPRINTS),
        description="auto: fingerprints are put together from building blocks where that is exact; direct: RDKit "
        "computes each from its SMILES. No effect on other kinds than ecfp.",
    )

    @model_validator(mode="after")
    def _has_its_size(self) -> Self:
        n_bits = KINDS[self.kind].n_bits
        if n_bits not in (None, self.size):
            msg = (
                f"{self.kind} has {KINDS[self.kind].n_keys} bits, stored in {n_bits}: "
                f"set fingerprint.size={n_bits}, not {self.size}"
            )
            raise ValueError(msg)
        return self

    @property
    def n_bytes(self) -> int:
        """Bytes of the packed fingerprint."""
        return self.size // BITS_PER_BYTE

    @property
    def name(self) -> str:
        """The kind as a sentence names it: `ECFP`, `atom pair`, ..."""
        return KINDS[self.kind].name

    @property
    def description(self) -> str:
        """Everything that changes the bits, for a message: `ECFP of 2048 bits, radius 2, with chirality`."""
        parts = [f"{self.name} of {self.size} bits"]
        if KINDS[self.kind].has_radius:
            parts.append(f"radius {self.radius}")
        if KINDS[self.kind].has_chirality:
            parts.append("with chirality" if self.chirality else "without chirality")
        return ", ".join(parts)

    def stored(self) -> dict[str, Any]:
        """What changes the bits, under the names and in the order that artifacts hold."""
        return {"size": self.size, "radius": self.radius, "chirality": self.chirality, "kind": self.kind}
