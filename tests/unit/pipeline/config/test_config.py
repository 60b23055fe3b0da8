"""The strict configuration and its sources: defaults, YAML, --set, environment."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from belka.chemistry.fingerprints import FingerprintSettings
from belka.contract import Node
from belka.errors import InputError
from belka.settings import DataSettings, NodeSettings, SystemSettings, computation, nodes_decided
from pipeline.config.files import (
    RENAMED,
    dump_config,
    explain_config,
    load_config,
    load_config_from_environment,
    validate_config,
    write_resolved,
)
from pipeline.config.settings import Config

REPOSITORY = Path(__file__).parents[4]


def test_defaults_are_the_published_plan() -> None:
    config = load_config()
    assert (config.model.depth, config.model.num_heads, config.model.num_layers) == (32, 8, 4)
    assert (config.model.dropout_rate, config.model.activation, config.model.max_length) == (0.1, "gelu", 128)
    assert config.model.vocab_size is None
    assert (config.training.batch_size, config.training.buffer_size, config.training.epochs) == (2048, 10_000_000, 1000)
    assert (config.training.patience, config.training.steps_per_epoch, config.training.validation_steps) == (
        20,
        10_000,
        2000,
    )
    assert (config.training.masking_rate, config.training.epsilon) == (0.15, 1e-7)
    assert config.system.seed == 42
    assert config.data.targets == ("BRD4", "HSA", "sEH")


def test_default_yaml_holds_every_key_with_its_default() -> None:
    text = (REPOSITORY / "configs" / "default.yaml").read_text(encoding="utf-8")
    assert text == explain_config(Config())
    assert load_config(REPOSITORY / "configs" / "default.yaml") == Config()


@pytest.mark.parametrize("name", ["default.yaml", "demo.yaml", "leash_sample.yaml"])
def test_shipped_configurations_are_valid(name: str) -> None:
    load_config(REPOSITORY / "configs" / name)


def test_override_wins_over_file(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("training: {epochs: 5, patience: 2}\n", encoding="utf-8")
    config = load_config(file, ["training.epochs=7", "data.targets=[HSA, sEH]", "training.learning_rate=1e-4"])
    assert (config.training.epochs, config.training.patience) == (7, 2)
    assert config.data.targets == ("HSA", "sEH")
    assert config.training.learning_rate == 1e-4


def test_scientific_notation_without_point_is_a_number(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("training:\n  epsilon: 1e-6\n", encoding="utf-8")
    assert load_config(file).training.epsilon == 1e-6


def test_on_and_off_are_words() -> None:
    config = load_config(None, ["training.xla=off", "data.use_extra_data=false"])
    assert config.training.xla == "off"
    assert config.data.use_extra_data is False


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["training.epocs=3"], r"training\.epocs: unknown key"),
        (["trainin.epochs=3"], r"trainin: unknown key"),
        (["training.epochs=three"], r"training\.epochs: .*valid integer.*'three'"),
        (["training.epochs=0"], r"the defaults and what --set changes[\s\S]*epochs: .*greater than or equal to 1"),
        (["training.epochs=2.5"], r"training\.epochs: .*valid integer"),
        (["data.use_extra_data=1"], r"data\.use_extra_data: .*valid boolean"),
        (["data.targets=[HSA, HSA]"], r"targets must be distinct"),
        (["data.targets=[]"], r"data\.targets"),
        (["training.epochs"], r"A --set value is malformed"),
        (["=3"], r"A --set value is malformed"),
        (["training.epochs=[1"], r"A --set value is not valid YAML"),
        (["pipeline_name.x=1", "pipeline_name.x.y=2"], r"below a plain value"),
        (["pipeline_name=Belka_Run"], r"pipeline_name"),
        (["training.stages=[clf, mlm]"], r"stages must be an ordered choice"),
        (["model.members=[linear, transformer]"], r"members must be transformer first, then any of linear, kernel, "),
        (["model.members=[transformer, net, net]"], r"trees, net, each once"),
        (["model.members=[]"], r"members must be transformer first"),
        (["model.members=[transformer, forest]"], r"model\.members\.1: .*'kernel', 'trees' or 'net'.*'forest'"),
        (["data.validation_block_share=1.0"], r"data\.validation_block_share: .*less than 1"),
        (["data.validation_shared_share=-0.1"], r"data\.validation_shared_share: .*greater than or equal to 0"),
        (["data.rows_per_shard=0"], r"data\.rows_per_shard: .*greater than or equal to 1000"),
        (["data.compression=zip"], r"data\.compression: .*'gzip' or 'none'.*'zip'"),
        (["data.rejected_prediction=1.1"], r"data\.rejected_prediction: .*less than or equal to 1"),
        (["data.rejected_prediction=-0.1"], r"data\.rejected_prediction: .*greater than or equal to 0"),
        (["data.rejected_prediction=.nan"], r"data\.rejected_prediction: .*finite"),
        (["system.memory_limit_gb=0.1"], r"system\.memory_limit_gb: .*greater than or equal to 0\.5"),
        (["system.n_workers=-1"], r"system\.n_workers: .*greater than or equal to 0"),
        (["evaluation.min_mean_average_precision=1.5"], r"evaluation\.min_mean_average_precision: .*1\.5"),
        (["evaluation.min_mean_average_precision=.nan"], r"evaluation\.min_mean_average_precision: .*nan"),
        (["evaluation.max_slice_regression=-0.1"], r"evaluation\.max_slice_regression: .*-0\.1"),
        (["evaluation.slice_floors={HSA/shared: 2.0}"], r"evaluation\.slice_floors\.HSA/shared: .*2\.0"),
        (["evaluation.bootstrap_samples=0"], r"evaluation\.bootstrap_samples: .*greater than or equal to 1"),
        (["evaluation.confidence=0.0"], r"evaluation\.confidence: .*greater than 0"),
        (["evaluation.confidence=1.0"], r"evaluation\.confidence: .*less than 1"),
        (["evaluation.batch_size=0"], r"evaluation\.batch_size: .*greater than or equal to 1"),
        (["fingerprint.size=100"], r"fingerprint\.size: .*multiple of 8"),
        (["fingerprint.radius=-1"], r"fingerprint\.radius: .*greater than or equal to 0"),
        (["fingerprint.kind=map4"], r"fingerprint\.kind: .*ecfp.*pubchem.*'map4'"),
        (["fingerprint.kind=maccs"], r"maccs has 166 bits, stored in 168: set fingerprint\.size=168, not 2048"),
        (["fingerprint.kind=pubchem", "fingerprint.size=880"], r"set fingerprint\.size=888, not 880"),
    ],
)
def test_wrong_override_says_what_is_wrong(overrides: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_config(None, overrides)


def test_keys_take_their_own_size_and_other_fingerprints_any() -> None:
    assert load_config().fingerprint.kind == "ecfp"
    assert load_config(None, ["fingerprint.kind=maccs", "fingerprint.size=168"]).fingerprint.size == 168
    for kind in ("fcfp", "atom_pair", "topological_torsion", "rdkit", "avalon"):
        assert load_config(None, [f"fingerprint.kind={kind}", "fingerprint.size=512"]).fingerprint.kind == kind


@pytest.mark.parametrize(
    ("text", "message"),
    [("data: [1, 2\n", "not valid YAML"), ("- 1\n- 2\n", "holds no sections"), ("data: 3\n", "data: ")],
)
def test_wrong_file_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_config(file)


def test_missing_file_names_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape(str(tmp_path / "none.yaml"))):
        load_config(tmp_path / "none.yaml")


@given(epochs=st.integers(1, 10**6), share=st.floats(0.0, 0.9), targets=st.sampled_from([["sEH"], ["HSA", "BRD4"]]))
def test_written_configuration_reads_back_equal(epochs: int, share: float, targets: list[str]) -> None:
    values = {"training": {"epochs": epochs}, "data": {"validation_shared_share": share, "targets": targets}}
    config = validate_config(values, source="a test")
    assert validate_config(yaml.safe_load(dump_config(config)), source="a test") == config


def test_resolved_copy_reads_back_equal(tmp_path: Path) -> None:
    config = load_config(None, ["system.seed=7"])
    write_resolved(config, tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml") == config


def test_environment_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("system: {seed: 5}\n", encoding="utf-8")
    assert load_config_from_environment({"BELKA_CONFIG": str(file)}).system.seed == 5
    assert load_config_from_environment({}) == Config()


def test_configuration_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config().data.raw_dir = "elsewhere"


def test_keys_of_earlier_versions_are_read_and_the_new_name_is_told(caplog: pytest.LogCaptureFixture) -> None:
    old = ["data.fingerprint=fcfp", "data.ecfp_size=512", "data.ecfp_radius=3", "data.ecfp_chirality=false"]
    with caplog.at_level(logging.WARNING):
        config = load_config(None, [*old, "data.ecfp_method=direct", "data.raw_fingerprint=2026-01"])
    expected = FingerprintSettings(kind="fcfp", size=512, radius=3, chirality=False, method="direct")
    assert (config.fingerprint, config.data.raw_digest) == (expected, "2026-01")
    for before, now in RENAMED.items():
        assert f"The key {before} is now called {now}" in caplog.text
    with pytest.raises(InputError, match=r"old and its new name[\s\S]*data\.ecfp_size and fingerprint\.size"):
        load_config(None, ["data.ecfp_size=512", "fingerprint.size=512"])


def _declarations(model: type[BaseModel]) -> Iterator[tuple[str, tuple[Node, ...]]]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from ((f"{name}.{key}", nodes) for key, nodes in _declarations(kind))
        else:
            yield name, nodes_decided(model, name)


def test_only_these_keys_decide_no_result() -> None:
    """Whatever else is added has to say which nodes it decides, or stand here."""
    undecided = {
        key for key, nodes in _declarations(Config) if not nodes and not key.startswith(("kubeflow.", "beam."))
    }
    assert undecided == {
        "pipeline_name",
        "data.output_dir",
        "data.raw_dir",
        "evaluation.batch_size",
        "system.enable_cache",
        "system.keep_logs",
        "system.log_level",
        "system.memory_limit_gb",
        "system.n_workers",
        "system.spill_dir",
        "training.checkpoint_every_steps",
        "training.device",
        "tracking.experiment",
        "tracking.uri",
        "training.resume",
    }


def test_a_node_receives_what_decides_its_result_and_the_rest_from_the_runner() -> None:
    config = load_config(None, ["system.n_workers=3", "system.seed=7", "data.rows_per_shard=2000"])
    parameter = config.deciding()[Node.PARQUET_MERGE]
    assert "n_workers" not in parameter
    assert "raw_dir" not in parameter
    assert parameter == load_config(None, ["system.seed=7", "data.rows_per_shard=2000"]).deciding()[Node.PARQUET_MERGE]
    with computation(config.computing()):
        received = NodeSettings(parameter)
    system = received.section("system", SystemSettings)
    assert (system.seed, system.n_workers) == (7, 3)
    assert received.section("data", DataSettings).rows_per_shard == 2000
    assert NodeSettings(parameter).section("system", SystemSettings).n_workers == 0


def test_a_step_writes_only_what_it_used(tmp_path: Path) -> None:
    target = tmp_path / "config.yaml"
    before = ["data.raw_dir=/raw", "data.raw_digest=a", "training.learning_rate=0.1"]
    write_resolved(load_config(None, [*before, "evaluation.slice_floors={HSA/shared: 0.1}"]), target)
    later = ["data.raw_dir=/other", "data.raw_digest=b", "training.learning_rate=0.7", "system.seed=7"]
    later += ["evaluation.confidence=0.9", "system.n_workers=3"]
    write_resolved(load_config(None, later), target, [Node.AFFINITY_EVALUATOR, Node.PUSHER])
    written = load_config(target)
    assert (written.data.raw_dir, written.data.raw_digest, written.training.learning_rate) == ("/raw", "a", 0.1)
    assert written.evaluation.slice_floors == {}
    assert (written.evaluation.confidence, written.system.n_workers, written.system.seed) == (0.9, 3, 7)
    write_resolved(load_config(None, later), target, [Node.SUBMISSION_WRITER])
    assert (load_config(target).data.raw_dir, load_config(target).training.learning_rate) == ("/other", 0.1)
    write_resolved(load_config(None, later), target)
    assert load_config(target) == load_config(None, later)


def test_anew_switches_off_the_cache_and_checkpoints() -> None:
    config = load_config(None, ["system.seed=7", "training.epochs=3"])
    overrides = ["system.enable_cache=false", "training.resume=false", "system.seed=7", "training.epochs=3"]
    assert config.anew() == load_config(None, overrides)
