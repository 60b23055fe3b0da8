"""Which fingerprint the Examples hold; free of RDKit, so that configuration, training and prediction may import it."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, get_args

from belka.errors import InputError

BITS_PER_BYTE: Final = 8

# Binary fingerprints of the molecular graph, without conformers. All but ecfp are computed by scikit-fingerprints.
FingerprintKind = Literal[
    "ecfp", "fcfp", "atom_pair", "topological_torsion", "rdkit", "avalon", "maccs", "pubchem"
]  # fmt: skip
KINDS: Final[tuple[FingerprintKind, ...]] = get_args(FingerprintKind)
# Kinds whose bits have a meaning each, and how many there are; the others are hashed into any number of bits.
KEY_BITS: Final = MappingProxyType({"maccs": 166, "pubchem": 881})
KINDS_WITH_RADIUS: Final = frozenset({"ecfp", "fcfp"})
KINDS_WITH_CHIRALITY: Final = frozenset({"ecfp", "fcfp", "atom_pair", "topological_torsion"})
_NAMES: Final = MappingProxyType(
    {
        "ecfp": "ECFP",
        "fcfp": "FCFP",
        "atom_pair": "atom pair",
        "topological_torsion": "topological torsion",
        "rdkit": "RDKit path",
        "avalon": "Avalon",
        "maccs": "MACCS",
        "pubchem": "PubChem",
    }
)


def size_problem(kind: FingerprintKind, size: int) -> str:
    """Say why a fingerprint cannot have a size.

    Keys are not padded further than to whole bytes: bits that are zero in every molecule would make the loss of the stage fps
    look small and teach nothing.

    Args:
        kind: The fingerprint.
        size: Bits, as data.ecfp_size names them.

    Returns:
        What is wrong and which size fits; empty where the size fits.
    """
    n_keys = KEY_BITS.get(kind)
    if n_keys is None:
        return ""
    stored = -(-n_keys // BITS_PER_BYTE) * BITS_PER_BYTE
    if size == stored:
        return ""
    return f"data.fingerprint={kind} has {n_keys} bits, stored in {stored}: set data.ecfp_size={stored}, not {size}"


@dataclass(frozen=True)
class FingerprintSettings:
    """A fingerprint, as steps hand it on and as an exported model names it (belka.json; without `kind` it is ECFP).

    Attributes:
        size: Number of bits, a positive multiple of 8; the kinds of KEY_BITS have theirs, padded with zero bits to whole bytes.
        radius: Radius of the atom environments in bonds, at least 0; read by KINDS_WITH_RADIUS only.
        chirality: Whether stereo centres change the bits; read by KINDS_WITH_CHIRALITY only.
        kind: Which fingerprint.

    Raises:
        InputError: A value is out of range, or the kind is unknown or has another size.
    """

    size: int
    radius: int
    chirality: bool
    kind: FingerprintKind = "ecfp"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(
                "The kind of fingerprint is unknown.",
                received=f"fingerprint={self.kind!r}",
                expected=f"one of {', '.join(KINDS)}",
                action="Set data.fingerprint.",
            )
        if self.size <= 0 or self.size % BITS_PER_BYTE or self.radius < 0:
            raise InputError(
                "The fingerprint settings are out of range.",
                received=f"ecfp_size={self.size}, ecfp_radius={self.radius}",
                expected="a size that is a positive multiple of 8 and a radius of 0 or more",
                action="Set data.ecfp_size and data.ecfp_radius.",
            )
        problem = size_problem(self.kind, self.size)
        if problem:
            raise InputError(
                "The fingerprint has another size.",
                received=f"fingerprint={self.kind}, ecfp_size={self.size}",
                expected=f"the {KEY_BITS[self.kind]} bits of {self.kind}, padded to whole bytes",
                action=f"{problem}.",
            )

    @property
    def n_bytes(self) -> int:
        """Bytes of the packed fingerprint."""
        return self.size // BITS_PER_BYTE

    @property
    def name(self) -> str:
        """The kind as a sentence names it: `ECFP`, `atom pair`, ..."""
        return _NAMES[self.kind]

    @property
    def description(self) -> str:
        """Everything that changes the bits, for a message: `ECFP of 2048 bits, radius 2, with chirality`."""
        parts = [f"{self.name} of {self.size} bits"]
        if self.kind in KINDS_WITH_RADIUS:
            parts.append(f"radius {self.radius}")
        if self.kind in KINDS_WITH_CHIRALITY:
            parts.append("with chirality" if self.chirality else "without chirality")
        return ", ".join(parts)
