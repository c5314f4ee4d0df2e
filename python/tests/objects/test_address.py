"""What people say of a bucket is parsed once, and what is wrong is named without repeating it."""

from __future__ import annotations

import pytest

from headrace.errors import ConfigInvalid
from headrace.objects.address import ObjectAddress

NAMES = {
    part: part.upper() for part in ("endpoint", "region", "bucket", "prefix", "access_key_id", "secret_access_key")
}


@pytest.mark.parametrize(
    ("said", "url"),
    [
        ({"bucket": "lake"}, "s3://lake"),
        ({"bucket": "lake", "prefix": "/a/b/"}, "s3://lake/a/b"),
        ({"bucket": "lake", "prefix": "ü b"}, "s3://lake/ü b"),
    ],
)
def test_an_address_is_shown_as_people_write_it(said: dict[str, str], url: str) -> None:
    assert ObjectAddress.parse(said, NAMES).url == url


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "BUCKET"),
        ({"bucket": "a/b"}, "BUCKET"),
        ({"bucket": "lake", "prefix": "a/../b"}, "PREFIX"),
        ({"bucket": "lake", "prefix": "a//b"}, "PREFIX"),
        ({"bucket": "lake", "prefix": "a\0b"}, "PREFIX"),
        ({"bucket": "lake", "endpoint": "store:9000"}, "ENDPOINT"),
        ({"bucket": "lake", "endpoint": "http://store/path"}, "ENDPOINT"),
        ({"bucket": "lake", "endpoint": "http://app:hunter2@store"}, "ENDPOINT"),
        ({"bucket": "lake", "access_key_id": "k"}, "SECRET_ACCESS_KEY"),
        ({"bucket": "lake", "secret_access_key": "hunter2"}, "ACCESS_KEY_ID"),
    ],
)
def test_what_is_wrong_is_named_and_not_repeated(said: dict[str, str], field: str) -> None:
    with pytest.raises(ConfigInvalid) as refusal:
        ObjectAddress.parse(said, NAMES)

    assert refusal.value.details["field"] == field
    assert refusal.value.message.startswith(field)
    assert "hunter2" not in refusal.value.message
