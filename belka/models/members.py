"""What a model may be blended of, and what each member reads; free of TensorFlow."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

MemberKind = Literal["transformer", "linear", "kernel", "trees", "net"]
TRANSFORMER: Final = "transformer"


@dataclass(frozen=True)
class Member:
    """One kind of member.

    Attributes:
        reads_ecfp: Whether it needs the feature `ecfp`, whatever model.ecfp_branch says.
        reads_blocks: Whether it needs the feature `blocks`.
    """

    reads_ecfp: bool = False
    reads_blocks: bool = False


MEMBERS: Final[Mapping[str, Member]] = MappingProxyType(
    {
        TRANSFORMER: Member(),  # reads tokens; the trainer's own settings say whether also ecfp
        "linear": Member(reads_ecfp=True),
        "kernel": Member(reads_blocks=True),
        "trees": Member(reads_blocks=True),
        "net": Member(reads_blocks=True),
    }
)


def needs_blocks(members: Iterable[str]) -> bool:
    """Whether a member reads the feature `blocks`.

    Args:
        members: Keys of MEMBERS.
    """
    return any(MEMBERS[kind].reads_blocks for kind in members)


def needs_ecfp(members: Iterable[str]) -> bool:
    """Whether a member beside the transformer reads the feature `ecfp`.

    Args:
        members: Keys of MEMBERS.
    """
    return any(MEMBERS[kind].reads_ecfp for kind in members)
