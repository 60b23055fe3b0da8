"""What Arrow raises of a store becomes an error with an exit code; what this machine's disk says does not."""

import errno

import pytest

from belka.errors import BelkaError
from belka.exit_codes import ExitCode
from belka.places.store_errors import explained_answer
from belka.places.uri import store_uri

AWS = "When listing objects under key 'raw' in bucket 'b': AWS Error {} during ListObjectsV2 operation: {}"


@pytest.mark.parametrize(
    ("said", "problem", "code"),
    [
        (AWS.format("NO_SUCH_BUCKET", "The specified bucket does not exist"), "The bucket does not", 2),
        (AWS.format("ACCESS_DENIED", "Access Denied"), "The object store refuses", 2),
        (AWS.format("INVALID_ACCESS_KEY_ID", "No such key"), "The object store refuses", 2),
        (AWS.format("UNKNOWN (HTTP status 403)", "No response body."), "The object store refuses", 2),
        (AWS.format("UNKNOWN (HTTP status 301)", "No response body."), "The bucket lies in another region", 2),
        (AWS.format("NETWORK_CONNECTION", "curlCode: 7, Couldn't connect to server"), "The object store does not", 75),
        (AWS.format("UNKNOWN (HTTP status 503)", "No response body."), "The object store does not", 75),
        (AWS.format("SLOW_DOWN", "Please reduce your request rate."), "The object store does not", 75),
        ("google::cloud::Status(PERMISSION_DENIED: no)", "The object store refuses", 2),
        ("google::cloud::Status(UNAVAILABLE: Couldn't resolve host)", "The object store does not", 75),
        (AWS.format("UNKNOWN (HTTP status 418)", "I am a teapot"), "The object store cannot", 1),
    ],
)
def test_each_answer_is_told(said: str, problem: str, code: ExitCode) -> None:
    told = explained_answer(OSError(said), store_uri("s3://b/raw"), "s3://b/raw/x")
    assert isinstance(told, BelkaError)
    assert told.problem.startswith(problem)
    assert told.exit_code == code
    assert "s3://b/raw/x" in told.received
    assert told.action


def test_who_has_no_credentials_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = OSError(AWS.format("ACCESS_DENIED", "Access Denied"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    told = explained_answer(refused, store_uri("s3://b/raw"), "s3://b/raw")
    assert "AWS_ACCESS_KEY_ID is not set" in str(told)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "known")
    told = explained_answer(refused, store_uri("s3://b/raw"), "s3://b/raw")
    assert "is not set" not in str(told)
    assert "known" not in str(told)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EIO])
def test_this_machines_own_disk_is_another_matter(number: int) -> None:
    assert explained_answer(OSError(number, "said"), store_uri("s3://b/raw"), "s3://b/raw") is None
