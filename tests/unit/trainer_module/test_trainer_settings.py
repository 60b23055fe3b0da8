"""Settings: strict, frozen, complete, and without TensorFlow."""

import json
import subprocess
import sys

import pytest
from pydantic import ValidationError

from belka.errors import InputError
from trainer_module.settings import RunSettings, StageSettings, TrainingSettings, parse_run_settings


def test_settings_survive_json() -> None:
    run = RunSettings(mode="fps", seed=7, training=TrainingSettings(stages=("fps", "clf"), fps=StageSettings(epochs=3)))
    assert parse_run_settings(json.loads(run.model_dump_json())) == run


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"mode": "clf", "model": {"dept": 3}}, r"model\.dept: unknown key"),
        ({"mode": "cls"}, r"mode: Input should be 'mlm', 'mtr', 'fps' or 'clf'"),
        ({}, "mode: Field required"),
        ({"mode": "clf", "training": {"epochs": "3"}}, r"training\.epochs: Input should be a valid integer"),
        ({"mode": "clf", "training": {"epochs": 0}}, r"training\.epochs: Input should be greater than or equal to 1"),
        ({"mode": "clf", "training": {"stages": ["fps", "mlm", "clf"]}}, "ordered choice of mlm, mtr, fps, clf"),
        ({"mode": "clf", "training": {"bucket_boundaries": [80, 64]}}, "positive and ascending"),
        ({"mode": "clf", "model": {"depth": 33}}, r"model\.depth: Input should be a multiple of 2"),
        ({"mode": "fps", "fingerprint": {"kind": "map4"}}, r"fingerprint\.kind: .*one of ecfp, .*'map4'"),
        ({"mode": "fps", "fingerprint": {"kind": "maccs"}}, r"set fingerprint\.size=168, not 2048"),
    ],
)
def test_wrong_settings_are_named(config: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_run_settings(config)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        RunSettings(mode="clf").seed = 3


def test_a_stage_replaces_common_values() -> None:
    training = TrainingSettings(epochs=5, mlm=StageSettings(epochs=2, learning_rate=0.01))
    mlm, clf = training.for_mode("mlm"), training.for_mode("clf")
    assert (mlm.epochs, mlm.learning_rate, mlm.batch_size) == (2, 0.01, 2048)
    assert (clf.epochs, clf.learning_rate) == (5, 1e-3)
    assert mlm.for_mode("mlm") == mlm
    assert (mlm.mlm, clf.mlm) == (training.mlm, StageSettings())  # its own section tells its own values


def test_importing_the_settings_does_not_import_tensorflow() -> None:
    code = "import sys, trainer_module.settings; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
