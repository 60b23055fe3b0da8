"""Secrets are found by name and by form, and nothing else is hidden."""

import pytest

from belka.redaction import HIDDEN, is_secret, without_secrets

AWS = "AKIA" + "ABCDEFGHIJKLMNOP"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"key {AWS} was refused", AWS),
        ("https://user:hunter2@registry/x", "hunter2"),
        ("DB_PASSWORD=hunter2 rest", "hunter2"),
        ("--s3-secret-key hunter2 --other 3", "hunter2"),
        ("--s3_secret_key=hunter2", "hunter2"),
        ('{"kubeflow.token": "hunter2", "a": 1}', "hunter2"),
        ("hf_" + "a" * 30, "a" * 30),
    ],
)
def test_what_looks_like_a_secret_is_hidden_and_the_rest_stays(text: str, secret: str) -> None:
    shown = without_secrets(text)
    assert secret not in shown
    assert HIDDEN in shown
    rest = text.partition(secret)[2]
    assert shown.endswith(rest.lstrip("@").removeprefix("registry/x") or HIDDEN) or "registry" in rest


@pytest.mark.parametrize(
    "text",
    [
        "unknown token: [Dy]",
        "training.learning_rate=0.001, vocab_size=40, tokens=3",
        "secret_file=/etc/x --token-path /run/t",
        "s3://bucket/pipelines/run",
        "CC(=O)Nc1ccc(S(=O)(=O)N)cc1",
    ],
)
def test_everything_else_is_as_it_was(text: str) -> None:
    assert without_secrets(text) == text


def test_variables() -> None:
    assert is_secret("API_KEY", "x")
    assert is_secret("X", AWS)
    assert not is_secret("API_KEY", "")
    assert not is_secret("API_KEY_FILE", "/etc/x")
