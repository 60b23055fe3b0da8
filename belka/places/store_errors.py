"""What an object store answers, told as every other error: Arrow passes on the words of the stores' own clients."""

import errno
import os
from typing import Final

from belka.errors import BelkaError, InputError, RunAgainError
from belka.places.uri import StoreUri

_NO_BUCKET: Final = ("NO_SUCH_BUCKET", "NoSuchBucket", "bucket does not exist")
_REFUSED: Final = (
    *("ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "INVALID_CLIENT_TOKEN_ID", "SIGNATURE_DOES_NOT_MATCH"),
    *("MISSING_AUTHENTICATION_TOKEN", "UNRECOGNIZED_CLIENT", "ExpiredToken", "HTTP status 401", "HTTP status 403"),
    *("PERMISSION_DENIED", "UNAUTHENTICATED", "OAuth2", "credentials"),
)
_OTHER_REGION: Final = ("HTTP status 301", "PERMANENT_REDIRECT", "PermanentRedirect", "AuthorizationHeaderMalformed")
_SILENT: Final = (
    *("NETWORK_CONNECTION", "curlCode", "REQUEST_TIMEOUT", "SLOW_DOWN", "SERVICE_UNAVAILABLE", "INTERNAL_FAILURE"),
    *("HTTP status 5", "UNAVAILABLE", "DEADLINE_EXCEEDED", "Retry policy exhausted", "timed out"),
)
_CREDENTIALS: Final = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws/credentials"),
    "gs": ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS"),
}


def explained_answer(error: BaseException, uri: StoreUri, place: str) -> BelkaError | None:
    """What to say of an error; None where it is this machine's own, such as a full disk.

    Args:
        error: What Arrow raised.
        uri: The place that was asked for.
        place: The object that was asked for.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number not in (None, errno.ENOENT):
        return None
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    received = f"{place}: {said}"
    if isinstance(error, FileNotFoundError) or any(words in said for words in _NO_BUCKET):
        return InputError(
            "The bucket does not exist.",
            received=received,
            expected=f"a bucket named {uri.bucket} at the store that the environment names",
            action="Make it, or correct the URI, the address (AWS_ENDPOINT_URL) or the project.",
        )
    if any(words in said for words in _REFUSED):
        variable, expected = _CREDENTIALS[uri.scheme]
        none = "" if os.environ.get(variable) else f"; {variable} is not set"
        return InputError(
            "The object store refuses access.",
            received=received + none,
            expected=f"credentials that may read, and where results go write, below {uri}",
            action=f"Set {expected}; see docs/object_stores.md.",
        )
    if any(words in said for words in _OTHER_REGION):
        return InputError(
            "The bucket lies in another region.",
            received=received,
            expected="the region of the bucket",
            action="Set AWS_REGION.",
        )
    if any(words in said for words in _SILENT):
        return RunAgainError(
            "The object store does not answer, or not to the end.",
            received=received,
            expected="a store that can be reached",
            action="Look after the network and the address (AWS_ENDPOINT_URL), and run the same command again: it goes "
            "on with what is missing.",
        )
    return BelkaError(
        "The object store cannot do what it was asked for.",
        received=received,
        expected="an answer of S3 or Google Cloud Storage",
        action="Check the address (AWS_ENDPOINT_URL) and what the store logs, and run the same command again.",
    )
