"""`belka submit` against a real HTTP server that answers as the API server of Kubeflow Pipelines does."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from belka.errors import InputError
from pipeline.runners.kubeflow.settings import KubeflowSettings
from pipeline.runners.kubeflow.submit import SubmissionRequest, SubmittedRun, connect, submit

if TYPE_CHECKING:
    from tests.unit.pipeline.runners.kubeflow.conftest import Api

IMAGE = "registry.example/belka@sha256:" + "0" * 64


def _settings(api: "Api", **values: Any) -> KubeflowSettings:
    return KubeflowSettings.model_validate({"endpoint": api.url, "namespace": "team", **values})


def test_the_run_is_created_as_asked_and_its_page_is_named(api: "Api", package: Path) -> None:
    settings = _settings(api, pipeline_root="s3://bucket/x", service_account="runner")
    request = SubmissionRequest(package, settings, {"raw_dir": "/mnt/belka/new"}, "my run", enable_cache=False)
    run = submit(connect(settings), request)
    assert run == SubmittedRun("r1", f"{api.url}/#/runs/details/r1", ("make", "train"))
    (sent,) = api.runs
    assert (sent["display_name"], sent["experiment_id"], sent["service_account"]) == ("my run", "e1", "runner")
    assert sent["runtime_config"] == {"parameters": {"raw_dir": "/mnt/belka/new"}, "pipeline_root": "s3://bucket/x"}
    task = sent["pipeline_spec"]["root"]["dag"]["tasks"]["make"]
    assert task.get("cachingOptions", {}).get("enableCache", False) is False


def test_the_cache_stays_as_compiled(api: "Api", package: Path) -> None:
    settings = _settings(api)
    submit(connect(settings), SubmissionRequest(package, settings))
    task = api.runs[0]["pipeline_spec"]["root"]["dag"]["tasks"]["make"]
    assert task["cachingOptions"] == {"enableCache": True}


def test_the_token_is_sent(api: "Api", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "abc")
    connect(_settings(api, auth="token", token_variable="MY_TOKEN"))  # noqa: S106 - a variable's name
    assert api.tokens[-1] == "Bearer abc"


def test_the_projected_token_of_a_service_account_is_sent(api: "Api", tmp_path: Path) -> None:
    (tmp_path / "token").write_text("xyz", encoding="utf-8")
    connect(_settings(api, auth="service_account", token_path=str(tmp_path / "token")))
    assert api.tokens[-1] == "Bearer xyz"


def test_a_missing_token_is_named(api: "Api", monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MY_TOKEN", raising=False)
    with pytest.raises(InputError, match="environment variable MY_TOKEN is not set"):
        connect(_settings(api, auth="token", token_variable="MY_TOKEN"))  # noqa: S106 - a variable's name
    with pytest.raises(InputError, match=r"no file .*nothing"):
        connect(_settings(api, auth="service_account", token_path=str(tmp_path / "nothing")))


def test_an_endpoint_that_does_not_answer_is_named_with_the_way_to_reach_it() -> None:
    settings = KubeflowSettings(endpoint="http://127.0.0.1:9", namespace="team")
    with pytest.raises(
        InputError,
        match=r"Nothing answers[\s\S]*127.0.0.1:9[\s\S]*kubectl port-forward -n kubeflow svc/ml-pipeline-ui 8080:80",
    ):
        connect(settings)


def test_a_refusal_keeps_the_server_s_words(api: "Api") -> None:
    api.refuse = 403
    with pytest.raises(InputError, match=r"refuses the request[\s\S]*HTTP 403[\s\S]*kubeflow.auth"):
        connect(_settings(api))


def test_a_dry_run_tells_everything_and_an_unknown_parameter_is_refused(api: "Api", package: Path) -> None:
    described = SubmissionRequest(package, _settings(api), {"raw_dir": "/x"}).describe()
    assert described["parameters"] == {"raw_dir": "/x"}
    assert described["images"] == [IMAGE]
    assert api.tokens == []
    with pytest.raises(InputError, match=r"no such parameter[\s\S]*received: rawdir[\s\S]*expected: raw_dir"):
        SubmissionRequest(package, _settings(api), {"rawdir": "/x"}).describe()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: 1", "no compiled pipeline"),
        ("schemaVersion: 2.0.0\nroot: {dag: {tasks: {}}}", "refuses this schema"),
    ],
)
def test_what_is_no_pipeline_is_refused(api: "Api", package: Path, content: str, message: str) -> None:
    package.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        SubmissionRequest(package, _settings(api)).describe()
