"""The steps of the command line and the pipeline nodes behind each."""

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Final

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


# Node ids: lower case with hyphens, as Kubeflow's workflow engine wants them.
PARQUET_MERGE: Final = "parquet-merge"
SMILES_VOCAB: Final = "smiles-vocab"
BLOCK_FINGERPRINTS: Final = "block-fingerprints"
MOLECULE_TRANSFORM: Final = "molecule-transform"
SCHEMA_GEN: Final = "schema-gen"
STATISTICS_GEN: Final = "statistics-gen"
EXAMPLE_VALIDATOR: Final = "example-validator"
DISTRIBUTION_VALIDATOR: Final = "distribution-validator"
ANOMALY_GATE: Final = "anomaly-gate"
DATA_VALIDATION: Final = (SCHEMA_GEN, STATISTICS_GEN, EXAMPLE_VALIDATOR, DISTRIBUTION_VALIDATOR, ANOMALY_GATE)
AFFINITY_EVALUATOR: Final = "affinity-evaluator"
PUSHER: Final = "pusher"
BULK_INFERRER: Final = "bulk-inferrer"
SUBMISSION_WRITER: Final = "submission-writer"


def trainer_node(mode: "Mode") -> str:
    """The node id of the Trainer of one mode."""
    return f"trainer-{mode}"


def step_nodes(step: Step, stages: Sequence["Mode"], *, validated: bool = True) -> list[str]:
    """The nodes that make up a step, in the order they run.

    Args:
        step: The step.
        stages: The training stages of the configuration.
        validated: Whether the Examples are validated.
    """
    nodes = {
        Step.GENERATE_PARQUET: [PARQUET_MERGE],
        Step.GET_VOCAB: [SMILES_VOCAB],
        Step.MAKE_DATASET: [BLOCK_FINGERPRINTS, MOLECULE_TRANSFORM, *(DATA_VALIDATION if validated else ())],
        Step.TRAIN_MODEL: [trainer_node(mode) for mode in stages],
        Step.EVALUATE_MODEL: [AFFINITY_EVALUATOR, PUSHER],
        Step.MAKE_SUBMISSION: [BULK_INFERRER, SUBMISSION_WRITER],
    }
    return nodes[step]


def nodes_between(first: Step, last: Step, stages: Sequence["Mode"], *, validated: bool = True) -> list[str]:
    """The nodes of all steps from `first` to `last`, both included; empty where `last` comes before `first`."""
    steps = list(Step)
    return [
        node
        for step in steps[steps.index(first) : steps.index(last) + 1]
        for node in step_nodes(step, stages, validated=validated)
    ]
