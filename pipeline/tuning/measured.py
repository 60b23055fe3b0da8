"""Which keys can be tuned: those that decide what is measured on draws, and what has to be trained for that."""

from collections.abc import Collection, Mapping
from typing import Final

from belka.contract import Node
from belka.errors import InputError
from belka.models.members import TRANSFORMER
from pipeline.config.keys import steps_of_keys
from pipeline.config.settings import Config
from pipeline.tuning.space import Dimension

MEMBERS_KEY: Final = "model.members"
_SHARE_KEY: Final = "ensemble.transformer_weight"
# What makes Examples.
EXAMPLES_NODES: Final = (Node.PARQUET_MERGE, Node.SMILES_VOCAB, Node.BLOCK_FINGERPRINTS, Node.MOLECULE_TRANSFORM)
_MEASURED: Final = frozenset([*EXAMPLES_NODES, Node.ENSEMBLE, Node.TRAINER, "trainer-clf"])
_WHICH_MOLECULES: Final = "decides which molecules are measured: scores of two values would not be comparable"
_NO_OTHER_STAGE: Final = "decides nothing here: of the transformer, the stage clf alone is trained on draws"
_REFUSED: Final = {
    "data.compression": "decides no score",
    "ensemble.max_molecules": _WHICH_MOLECULES,
    "system.seed": _WHICH_MOLECULES,
    "training.stages": _NO_OTHER_STAGE,
    "training.use_test_molecules": _NO_OTHER_STAGE,
    "training.masking_rate": _NO_OTHER_STAGE,
    "training.clf.model_path": _NO_OTHER_STAGE,
    "training.clf.initial_epoch": _NO_OTHER_STAGE,
}


def check_measured(space: Mapping[str, Dimension], config: Config) -> None:
    """Refuse keys whose values make no difference on draws, or make draws of other molecules.

    Args:
        space: From `read_space`.
        config: The untuned configuration.

    Raises:
        InputError: With the first such key and the reason.
    """
    nodes_of = dict(steps_of_keys())
    for key in space:
        if reason := _refusal(key, nodes_of[key], space, config):
            raise InputError(
                "A key of the space cannot be tuned.",
                received=f"{key}: it {reason}",
                expected="keys of ensemble, fingerprint, model, training (of the stage clf) and of the tokens",
                action="Remove it from the space; --set gives it one value for all trials.",
            )


def needs_transformer(space: Collection[str], config: Config, choices: Collection[Collection[str]] = ()) -> bool:
    """Whether the transformer is trained on each draw: where a key is tuned that decides it, or no other member is.

    Args:
        space: The keys.
        config: The untuned configuration.
        choices: Values of `model.members` that are tried.
    """
    decided = any(key.startswith(("model.", "training.")) and key != MEMBERS_KEY for key in space)
    alone = any(set(members) == {TRANSFORMER} for members in (config.model.members, *choices))
    return decided or alone or _SHARE_KEY in space


def tried_members(space: Mapping[str, Dimension]) -> tuple[Collection[str], ...]:
    """The values of `model.members` that a space holds."""
    dimension = space.get(MEMBERS_KEY)
    return tuple(dimension.choices or ()) if dimension else ()


def _refusal(key: str, nodes: Collection[str], space: Collection[str], config: Config) -> str:
    if key in _REFUSED:
        return _REFUSED[key]
    if Node.PARQUET_MERGE in nodes:
        return _WHICH_MOLECULES
    if not _MEASURED & set(nodes):
        return _NO_OTHER_STAGE if key.startswith("training.") and nodes else "decides no score on draws"
    if key.startswith("ensemble.") and not config.model.is_blended and MEMBERS_KEY not in space:
        return f"decides nothing where {MEMBERS_KEY} is [{TRANSFORMER}]; name the members, as configs/demo.yaml does"
    return ""
