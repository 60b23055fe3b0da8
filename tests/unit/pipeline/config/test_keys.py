"""Changing a key of the configuration changes the cache keys of exactly the steps that docs/keys.md names."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from tfx.dsl.compiler.compiler import Compiler
from tfx.proto.orchestration import pipeline_pb2

from belka.errors import InputError
from pipeline.config.files import load_config
from pipeline.config.keys import keys_table, steps_of_keys
from pipeline.config.settings import Config
from pipeline.create_pipeline import create_pipeline
from pipeline.steps import trainer_node
from trainer_module.settings import MODES

REPOSITORY: Final = Path(__file__).parents[4]
STEPS: Final = dict(steps_of_keys())
# What another value is where no simple change of the default is one.
OTHERS: Final[dict[str, Any]] = {
    "data.targets": ["HSA"],
    "data.binds": {"threshold": 2},
    "data.raw_digest": "train.csv=bb",
    "data.spelling": "as_given",
    "data_validation.on_anomaly": "warn",
    "ensemble.linear_strengths": [1.0],
    "evaluation.slice_floors": {"BRD4/shared": 0.5},
    "evaluation.must_beat": ["lightgbm"],
    "fingerprint.kind": "fcfp",
    "training.bucket_boundaries": [128],
    "training.stages": ["mlm", "mtr", "clf"],
    "release.license_link": "https://example.org/terms",
    "tracking.uri": "http://localhost:5000",
}
# With every node there is.
BASE: Final = (
    "data.raw_digest=train.csv=aa",
    "model.members=[transformer, linear]",
    "training.stages=[mlm, mtr, fps, clf]",
)
# Said in words on the page: whose cache it is; and what is no key of a step on this machine.
ELSEWHERE: Final = ("pipeline_name", "data.output_dir", "kubeflow.", "training.stages", "model.members")


def cache_keys(*overrides: str) -> dict[str, tuple[bytes, ...]]:
    """Node -> what TFX's cache hashes of it beside its input artifacts (tfx.orchestration.portable.cache_utils)."""
    pipeline = Compiler().compile(create_pipeline(load_config(None, [*BASE, *overrides])))
    deployment = pipeline_pb2.IntermediateDeploymentConfig()
    pipeline.deployment_config.Unpack(deployment)
    found = {}
    for node in (each.pipeline_node for each in pipeline.nodes):
        hashed = (pipeline.pipeline_info, node.node_info, node.parameters, deployment.executor_specs[node.node_info.id])
        found[node.node_info.id] = tuple(part.SerializeToString(deterministic=True) for part in hashed)
    return found


def other_value(key: str) -> str:
    """An override that gives a key another valid value."""
    value: Any = Config()
    for name in key.split("."):
        value = getattr(value, name)
    if key in OTHERS:
        return f"{key}={json.dumps(OTHERS[key])}"
    words = ["auto", "on", "off", "cpu", "relu", "float32", "direct", "none", "val_loss", "DEBUG", "FlinkRunner", "/x"]
    numbers = (
        [] if value is None or not isinstance(value, (int, float)) else [not value, value + 1, value * 2, value / 2]
    )
    for candidate in (*numbers, 64, 2, 0.5, *words, ["--x=1"], {"a": 0.5}):
        if candidate != value or type(candidate) is not type(value):
            override = f"{key}={yaml.safe_dump(candidate, default_flow_style=True).splitlines()[0]}"
            try:
                if load_config(None, [override]) != load_config():
                    return override
            except InputError:
                continue
    pytest.fail(f"no other value of {key} is known: add one to OTHERS")


@pytest.fixture(scope="module")
def before() -> dict[str, tuple[bytes, ...]]:
    return cache_keys()


@pytest.mark.parametrize("key", [key for key in STEPS if not key.startswith(ELSEWHERE)])
def test_a_key_changes_the_cache_keys_of_exactly_its_steps(key: str, before: dict[str, tuple[bytes, ...]]) -> None:
    after = cache_keys(other_value(key))
    assert after.keys() == before.keys()
    trainers = {trainer_node(mode) for mode in MODES}
    expected = {node for step in STEPS[key] for node in (trainers if step == "trainer" else {step})}
    assert {node for node in before if after[node] != before[node]} == expected


def test_a_stage_that_is_left_out_repeats_no_other(before: dict[str, tuple[bytes, ...]]) -> None:
    after = cache_keys('training.stages=["mlm", "clf"]')
    assert before.keys() - after.keys() == {"descriptor-sample", "trainer-mtr", "trainer-fps"}
    assert {node for node in after if after[node] != before[node]} == set()


def test_settings_of_descriptors_repeat_their_sample_and_what_is_trained_on_it(
    before: dict[str, tuple[bytes, ...]],
) -> None:
    """By their own keys; the other trainers follow, since each starts from the model of the one before."""
    for override, repeated in (
        ("descriptors.molecules=1000", {"descriptor-sample"}),
        ("training.mtr.epochs=3", {"trainer-mtr"}),
    ):
        after = cache_keys(override)
        assert {node for node in before if after[node] != before[node]} == repeated
    config = load_config(None, list(BASE))
    nodes = {node.id: node for node in create_pipeline(config).components}
    made_by = {name: node.inputs["examples"].producer_component_id for name, node in nodes.items() if "trainer" in name}
    assert made_by == {f"trainer-{mode}": "molecule-transform" for mode in ("mlm", "fps", "clf")} | {
        "trainer-mtr": "descriptor-sample"
    }
    bases = {name: nodes[name].inputs["base_model"].producer_component_id for name in ("trainer-mtr", "trainer-fps")}
    assert bases == {"trainer-mtr": "trainer-mlm", "trainer-fps": "trainer-mtr"}


def test_other_members_repeat_the_transform_and_no_training(before: dict[str, tuple[bytes, ...]]) -> None:
    after = cache_keys("model.members=[transformer, net]")
    assert {node for node in before if after[node] != before[node]} == {"molecule-transform", "ensemble"}


def test_the_page_is_as_it_is_written() -> None:
    assert (REPOSITORY / "docs" / "keys.md").read_text(encoding="utf-8") == keys_table()
