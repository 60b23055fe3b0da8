import subprocess
import sys

import pytest
from pydantic import ValidationError

from pipeline.runners.kubeflow.settings import KubeflowSettings, PodOverrides, PodSettings


def test_overrides_replace_what_is_not_null_even_by_zero() -> None:
    settings = KubeflowSettings.model_validate(
        {"defaults": {"gpus": 1, "shm_gb": 4.0, "cpu": 3.0}, "nodes": {"pusher": {"gpus": 0, "shm_gb": 0.0}}}
    )
    assert settings.node("pusher") == PodSettings(gpus=0, shm_gb=0.0, cpu=3.0)
    assert settings.node("trainer-clf") == settings.defaults


def test_every_default_can_be_overridden_for_a_node() -> None:
    assert set(PodSettings.model_fields) == set(PodOverrides.model_fields) - {"image"}


def test_nodes_with_accelerators_take_the_gpu_image_and_an_own_image_goes_first() -> None:
    settings = KubeflowSettings.model_validate(
        {"image": "a", "gpu_image": "b", "nodes": {"x": {"gpus": 1}, "y": {"gpus": 1, "image": "c"}}}
    )
    assert [settings.node_image(node) for node in ("w", "x", "y")] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "values",
    [
        {"unknown": 1},
        {"volumes": [{"claim": "Upper", "mount_path": "/m"}]},
        {"volumes": [{"claim": "c", "mount_path": "relative"}]},
        {"endpoint": "localhost:8080"},
        {"env": {"1X": "a"}},
        {"retry": {"retries": -1}},
        {"retry": {"backoff_factor": 1.5}},
        {"retry": {"give_up_after_seconds": 0}},
        {"defaults": {"cpu": 0}},
        {"run_as_user": 0},
    ],
)
def test_wrong_values_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        KubeflowSettings.model_validate(values)


def test_what_never_bounded_a_wait_is_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    retry = KubeflowSettings.model_validate({"retry": {"max_backoff_seconds": 1800, "backoff_factor": 3.0}}).retry
    assert (retry.give_up_after_seconds, retry.backoff_factor) == (2_592_000, 3)
    assert "max_backoff_seconds is left out" in caplog.text


def test_settings_import_neither_tfx_nor_kfp() -> None:
    code = "import sys, pipeline.runners.kubeflow.settings; print({'tfx', 'kfp', 'tensorflow'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert shown.strip() == "set()"
