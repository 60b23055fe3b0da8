"""The strict configuration and its sources: defaults, YAML, --set, environment."""

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from belka.errors import InputError
from pipeline.config.files import (
    dump_config,
    load_config,
    load_config_from_environment,
    validate_config,
    write_resolved,
)
from pipeline.config.reference import explain_config
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
        (["training.epochs=0"], r"training\.epochs: .*greater than or equal to 1"),
        (["training.epochs=2.5"], r"training\.epochs: .*valid integer"),
        (["data.use_extra_data=1"], r"data\.use_extra_data: .*valid boolean"),
        (["data.targets=[HSA, HSA]"], r"targets must be distinct"),
        (["data.targets=[]"], r"data\.targets"),
        (["training.epochs"], r"a --set value is malformed"),
        (["=3"], r"a --set value is malformed"),
        (["training.epochs=[1"], r"a --set value is not valid YAML"),
        (["pipeline_name.x=1", "pipeline_name.x.y=2"], r"below a plain value"),
        (["pipeline_name=Belka_Run"], r"pipeline_name"),
        (["training.stages=[clf, mlm]"], r"stages must be an ordered choice"),
        (["data.fingerprint=map4"], r"data\.fingerprint: .*'ecfp'.*'pubchem'.*'map4'"),
        (["data.fingerprint=maccs"], r"maccs has 166 bits, stored in 168: set data\.ecfp_size=168, not 2048"),
        (["data.fingerprint=pubchem", "data.ecfp_size=880"], r"set data\.ecfp_size=888, not 880"),
    ],
)
def test_wrong_override_says_what_is_wrong(overrides: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_config(None, overrides)


def test_keys_take_their_own_size_and_other_fingerprints_any() -> None:
    assert load_config().data.fingerprint == "ecfp"
    assert load_config(None, ["data.fingerprint=maccs", "data.ecfp_size=168"]).data.ecfp_size == 168
    for kind in ("fcfp", "atom_pair", "topological_torsion", "rdkit", "avalon"):
        assert load_config(None, [f"data.fingerprint={kind}", "data.ecfp_size=512"]).data.fingerprint == kind


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
