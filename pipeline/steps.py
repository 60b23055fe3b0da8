"""The steps of the command line and the pipeline nodes behind each."""

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from belka.contract import Node

if TYPE_CHECKING:
    from trainer_module.settings import Mode


class Step(StrEnum):
    """A step as the user names it, in the order of the flow."""

    GENERATE_PARQUET = "generate_parquet"
    GET_VOCAB = "get_vocab"
    MAKE_DATASET = "make_dataset"
    TRAIN_MODEL = "train_model"
    EVALUATE_MODEL = "evaluate_model"
    MAKE_SUBMISSION = "make_submission"


DESCRIBED_STAGE: Final = "mtr"  # it trains on Examples of its own, of DescriptorSample
DATA_VALIDATION: Final = (
    Node.SCHEMA_GEN,
    Node.STATISTICS_GEN,
    Node.EXAMPLE_VALIDATOR,
    Node.DISTRIBUTION_VALIDATOR,
    Node.ANOMALY_GATE,
)


def trainer_node(mode: "Mode") -> str:
    """The node id of the Trainer of one mode."""
    return f"{Node.TRAINER}-{mode}"


def node_kind(node: str) -> Node:
    """The kind of a node: that of a Trainer whatever its stage."""
    return next(kind for kind in Node if node == kind or node.startswith(f"{kind}-"))


def step_nodes(step: Step, stages: Sequence["Mode"], *, validated: bool = True, blended: bool = False) -> list[str]:
    """The nodes that make up a step, in the order they run.

    Args:
        step: The step.
        stages: The training stages of the configuration.
        validated: Whether the Examples are validated.
        blended: Whether the model has other members than the transformer.
    """
    described = [Node.DESCRIPTOR_SAMPLE] if DESCRIBED_STAGE in stages else []
    checked = DATA_VALIDATION if validated else ()
    nodes = {
        Step.GENERATE_PARQUET: [Node.PARQUET_MERGE, Node.BLOCK_STATISTICS],
        Step.GET_VOCAB: [Node.SMILES_VOCAB],
        Step.MAKE_DATASET: [Node.BLOCK_FINGERPRINTS, Node.MOLECULE_TRANSFORM, *described, *checked],
        Step.TRAIN_MODEL: [*map(trainer_node, stages), *([Node.ENSEMBLE] if blended else [])],
        Step.EVALUATE_MODEL: [Node.AFFINITY_EVALUATOR, Node.PUSHER],
        Step.MAKE_SUBMISSION: [Node.BULK_INFERRER, Node.SUBMISSION_WRITER],
    }
    return nodes[step]


def step_of(node: str) -> Step:
    """The step that a node belongs to."""
    kind = node_kind(node)
    found = (step for step in Step if kind in map(node_kind, step_nodes(step, (DESCRIBED_STAGE, "clf"), blended=True)))
    return next(found)


def nodes_between(
    first: Step, last: Step, stages: Sequence["Mode"], *, validated: bool = True, blended: bool = False
) -> list[str]:
    """The nodes of all steps from `first` to `last`, both included; empty where `last` comes before `first`."""
    steps = list(Step)
    return [
        node
        for step in steps[steps.index(first) : steps.index(last) + 1]
        for node in step_nodes(step, stages, validated=validated, blended=blended)
    ]
