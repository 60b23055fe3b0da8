"""An address that is none is told: else another store would be asked."""

import pytest

from belka.errors import InputError
from belka.places.store import ObjectStore
from belka.places.uri import store_uri


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "STORAGE_EMULATOR_HOST"])
@pytest.mark.parametrize("value", ["localhost:9000", "127.0.0.1:9000", "ftp://host", "http://"])
def test_an_address_without_a_scheme(variable: str, value: str) -> None:
    place = "gs://bucket/x" if variable.startswith("STORAGE") else "s3://bucket/x"
    with pytest.raises(InputError, match="address of the object store") as told:
        ObjectStore(store_uri(place), {variable: value})
    assert variable in told.value.received
    assert "http://" in told.value.expected


def test_a_login_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError) as told:
        ObjectStore(store_uri("s3://bucket/x"), {"AWS_ENDPOINT_URL": "http://me:verysecret@localhost:9000"})
    assert "verysecret" not in str(told.value)
