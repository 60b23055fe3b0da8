import json
import os
from pathlib import Path

import pytest

from belka.errors import InputError
from pipeline.config.files import load_config
from pipeline.tuning.measured import check_measured, needs_transformer, tried_members
from pipeline.tuning.space import Dimension, is_whole, override_of, read_space, value_of

BLENDED = 'model.members=["transformer","linear","kernel"]'


def _read(tmp_path: Path, text: str) -> dict[str, Dimension]:
    file = tmp_path / "space.yaml"
    file.write_text(text)
    return read_space(file, lambda more: load_config(None, more))


def test_a_space_holds_ranges_and_choices_of_any_kind_sorted_by_key(tmp_path: Path) -> None:
    space = _read(
        tmp_path,
        "training.clf.learning_rate: {low: 1e-4, high: 1e-2, log: true}\n"
        "ensemble.trees: {low: 50, high: 400, step: 50}\n"
        "ensemble.linear_strengths: {choices: [[0.01, 0.1], [0.003]]}\n",
    )
    assert list(space) == ["ensemble.linear_strengths", "ensemble.trees", "training.clf.learning_rate"]
    assert space["training.clf.learning_rate"].ends == (1e-4, 1e-2)
    assert space["ensemble.trees"].holds(150)
    assert not space["ensemble.trees"].holds(160)
    assert not space["ensemble.trees"].holds(450)
    assert space["ensemble.linear_strengths"].holds([0.003])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("enseble.trees: {low: 5, high: 9}", r"enseble[\s\S]*id you mean ensemble"),
        ("ensemble.tree: {low: 5, high: 9}", r"ensemble\.tree[\s\S]*id you mean ensemble\.trees"),
        ("ensemble.trees: {lwo: 5, high: 9}", r"lwo[\s\S]*id you mean low"),
        ("ensemble.trees: {low: 0, high: 9}", r"ensemble\.trees = 0[\s\S]*greater than or equal to 1"),
        ("ensemble.trees: {low: 9, high: 5}", "low must be below high"),
        ("ensemble.trees: {low: 5}", "either low and high, or choices"),
        ("ensemble.trees: {choices: [5]}", "two or more values"),
        ("ensemble.trees: {choices: [5, 6], high: 9}", "choices stand alone"),
        ("ensemble.kernel_offset: {low: 0.0, high: 9.0, log: true}", "log needs low above 0"),
        ("ensemble.trees: {choices: [2020-01-01, 5]}", "must be numbers, texts"),
        ("ensemble.trees: {choices: [!!binary aGVsbG8=, 5]}", "must be numbers, texts"),
        ("ensemble.trees: {choices: [!!set {a: null}, 5]}", "must be numbers, texts"),
        ("ensemble.trees: {choices: [{2020-01-01: 4}, 5]}", "must be numbers, texts"),
        ("ensemble.trees: {low: 1, high: 9, step: 0.1}", "no whole number"),
        ("ensemble.trees: {low: 1, high: 9, step: 100}", "step must be at most high - low"),
        ("ensemble.kernel_penalty: {low: 0.1, high: 1, step: 1e-300}", "steps"),
        ("ensemble.kernel_penalty: {low: -1e308, high: 1e308}", "more than a number can be"),
        ("ensemble: {choices: [{trees: 5}, {trees: 6}]}", "is a section"),
        ("ensemble.trees: 5", "cannot be read"),
        ("- 5", "cannot be read"),
        ("", "cannot be read"),
    ],
)
def test_what_is_wrong_with_a_space_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        _read(tmp_path, text)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read[\s\S]*nowhere\.yaml"):
        read_space(tmp_path / "nowhere.yaml", lambda more: load_config(None, more))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="cannot be read"):
        read_space(tmp_path / "pipe", lambda more: load_config(None, more))


def test_numbers_are_whole_where_the_configuration_says_so() -> None:
    assert is_whole("ensemble.trees")
    assert is_whole("training.clf.epochs")
    assert not is_whole("ensemble.kernel_penalty")
    assert not is_whole("training.gradient_clip_norm")


def test_an_override_sets_what_value_of_reads() -> None:
    config = load_config(None, [override_of("ensemble.linear_strengths", [0.5]), override_of("ensemble.trees", 7)])
    assert value_of(config, "ensemble.linear_strengths") == [0.5]
    assert value_of(config, "ensemble.trees") == 7


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("evaluation.confidence", "decides no score"),
        ("system.n_workers", "decides no score"),
        ("data.binds", "which molecules are measured"),
        ("data.validation_block_share", "which molecules are measured"),
        ("ensemble.max_molecules", "which molecules are measured"),
        ("training.mlm.epochs", "the stage clf alone"),
        ("training.masking_rate", "the stage clf alone"),
    ],
)
def test_a_key_that_changes_no_score_or_the_molecules_is_refused_with_the_reason(key: str, reason: str) -> None:
    config = load_config(None, [BLENDED])
    value_of(config, key)
    with pytest.raises(InputError, match=rf"{key}: it [\s\S]*{reason}"):
        check_measured({key: Dimension(choices=(1, 2))}, config)


def test_keys_of_members_are_refused_where_the_model_has_none() -> None:
    space = {"ensemble.trees": Dimension(low=1, high=2)}
    check_measured(space, load_config(None, [BLENDED]))
    with pytest.raises(InputError, match=r"model\.members is \[transformer\]"):
        check_measured(space, load_config())


@pytest.mark.parametrize(
    ("keys", "members", "trained"),
    [
        (["ensemble.trees"], BLENDED, False),
        (["fingerprint.radius"], BLENDED, False),
        (["model.depth"], BLENDED, True),
        (["training.clf.learning_rate"], BLENDED, True),
        (["ensemble.transformer_weight"], BLENDED, True),
        (["fingerprint.radius"], "model.members=[transformer]", True),
    ],
)
def test_the_transformer_is_trained_where_a_key_decides_it_or_nothing_else_is_there(
    keys: list[str], members: str, trained: bool
) -> None:
    config = load_config(None, [members])
    space = {key: Dimension(choices=(1, 2)) for key in keys}
    check_measured(space, config)
    assert needs_transformer(space, config) is trained


def test_a_choice_of_the_transformer_alone_has_it_trained() -> None:
    space = {"model.members": Dimension(choices=(["transformer"], ["transformer", "linear"]))}
    config = load_config(None, [BLENDED])
    check_measured(space, config)
    assert needs_transformer(space, config, tried_members(space))
    assert json.loads(override_of("a", ["b"]).partition("=")[2]) == ["b"]
