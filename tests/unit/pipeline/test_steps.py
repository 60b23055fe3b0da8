"""Steps of the command line and the nodes behind them."""

import re

from belka.contract import Node
from pipeline.steps import Step, node_kind, nodes_between, step_nodes, step_of


def test_train_model_has_a_node_a_stage() -> None:
    assert step_nodes(Step.TRAIN_MODEL, ("mlm", "fps", "clf")) == ["trainer-mlm", "trainer-fps", "trainer-clf"]


def test_the_ensemble_belongs_to_training() -> None:
    assert step_nodes(Step.TRAIN_MODEL, ("clf",), blended=True) == ["trainer-clf", "ensemble"]
    assert node_kind("ensemble") == "ensemble"
    assert "ensemble" not in nodes_between(Step.GENERATE_PARQUET, Step.MAKE_SUBMISSION, ("clf",))


def test_descriptors_are_computed_where_a_stage_predicts_them() -> None:
    assert step_nodes(Step.MAKE_DATASET, ("mtr", "clf"), validated=False) == [
        "block-fingerprints",
        "molecule-transform",
        "descriptor-sample",
    ]
    assert step_nodes(Step.TRAIN_MODEL, ("mtr", "clf")) == ["trainer-mtr", "trainer-clf"]
    assert step_of("descriptor-sample") is Step.MAKE_DATASET


def test_nodes_between_runs_in_the_order_of_the_flow() -> None:
    assert nodes_between(Step.GET_VOCAB, Step.TRAIN_MODEL, ("clf",)) == [
        "smiles-vocab",
        "block-fingerprints",
        "molecule-transform",
        "schema-gen",
        "statistics-gen",
        "example-validator",
        "distribution-validator",
        "anomaly-gate",
        "trainer-clf",
    ]


def test_nodes_between_is_empty_when_reversed() -> None:
    assert nodes_between(Step.MAKE_SUBMISSION, Step.GET_VOCAB, ("clf",)) == []


def test_every_node_id_is_one_kubeflow_takes() -> None:
    for node in nodes_between(Step.GENERATE_PARQUET, Step.MAKE_SUBMISSION, ("mlm", "fps", "clf")):
        assert re.fullmatch(r"[a-z0-9][-a-z0-9]*", node)


def test_without_validation_its_nodes_do_not_run() -> None:
    assert step_nodes(Step.MAKE_DATASET, ("clf",), validated=False) == [
        "block-fingerprints",
        "molecule-transform",
    ]


def test_the_kind_of_a_node() -> None:
    assert node_kind("trainer-mlm") is Node.TRAINER
    assert [node_kind(node) for node in Node] == list(Node)
