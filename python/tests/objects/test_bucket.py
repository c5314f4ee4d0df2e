"""The small protocol over real servers: what is written once, what is there, and what a failure says."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from s3_servers import NAMES, fresh_prefix, s3_server

from headrace.errors import AuthenticationFailed, ConfigInvalid, DataPlaneError, EndpointUnreachable, SourceReplaced
from headrace.objects.address import ObjectAddress
from headrace.objects.bucket import Bucket, Content, Taken
from headrace.objects.probe import keeps_conditions

pytestmark = pytest.mark.s3_server

HONEST = ("seaweedfs", "versitygw")


@pytest.fixture(params=HONEST)
def bucket(request: pytest.FixtureRequest) -> Bucket:
    return Bucket(s3_server(request.param).address(fresh_prefix()), "sink")


def test_an_object_can_be_created_once(bucket: Bucket) -> None:
    bucket.create("a/slot", b"first")

    with pytest.raises(Taken):
        bucket.create("a/slot", b"second")

    found = bucket.get("a/slot")
    assert found is not None and found[0] == b"first"


def test_of_many_who_create_one_object_at_once_one_wins(bucket: Bucket) -> None:
    def create(number: int) -> bool:
        try:
            bucket.create("slot", f"{number}".encode())
        except Taken:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(create, range(8)))

    found = bucket.get("slot")
    assert won.count(True) == 1
    assert found is not None and found[0] == f"{won.index(True)}".encode()


def test_an_object_is_replaced_only_as_the_one_that_was_read(bucket: Bucket) -> None:
    etag = bucket.put("pointer", b"1")
    bucket.replace("pointer", b"2", etag)

    with pytest.raises(Taken):
        bucket.replace("pointer", b"3", etag)

    found = bucket.get("pointer")
    assert found is not None and found[0] == b"2"


def test_what_is_not_there_is_none_and_deleting_it_is_no_error(bucket: Bucket) -> None:
    assert (bucket.get("nothing"), bucket.head("nothing"), list(bucket.list("nothing"))) == (None, None, [])

    bucket.delete(["nothing"])


def test_names_of_any_characters_come_back_as_they_were_written(bucket: Bucket) -> None:
    keys = ["a b/ü~%2F😀.json", "a b/gen=1/slice=000000/part-0.parquet"]
    for key in keys:
        bucket.put(key, key.encode())

    assert sorted(found.key for found in bucket.list("")) == sorted(keys)
    assert [(found.size, bucket.get(found.key)) for found in bucket.list("")] == [
        (len(found.key.encode()), (found.key.encode(), found.etag)) for found in bucket.list("")
    ]
    assert bucket.folder("a b")[0] == ["gen=1"]


def test_more_objects_than_a_page_holds_are_all_listed(bucket: Bucket) -> None:
    keys = [f"many/{number:05d}" for number in range(1100)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda key: bucket.put(key, b""), keys))

    assert sorted(found.key for found in bucket.list("many")) == keys
    bucket.delete(keys)
    assert list(bucket.list("many")) == []


@pytest.mark.parametrize("name", [*HONEST, "ignores conditions"])
@pytest.mark.parametrize("content", [b"abcdefghij", b"another one", b"abc"])
@pytest.mark.parametrize("at", [1, 2, 6])
def test_reading_a_part_of_an_object_that_was_replaced_is_refused(name: str, content: bytes, at: int) -> None:
    """A shorter one may end within the part, or before it."""
    bucket = Bucket(s3_server(name).address(fresh_prefix()), "source")
    etag = bucket.put("file", b"0123456789")
    assert bucket.read("file", at, 2, etag) == b"0123456789"[at : at + 2]
    bucket.put("file", content)

    with pytest.raises(SourceReplaced):
        bucket.read("file", at, 2, etag)


@pytest.mark.parametrize("name", HONEST)
def test_servers_that_keep_conditions_are_known(name: str) -> None:
    bucket = Bucket(s3_server(name).address(fresh_prefix()), "sink")

    assert keeps_conditions(bucket)
    assert list(bucket.list("")) == []


def test_a_server_that_ignores_conditions_is_found_out() -> None:
    bucket = Bucket(s3_server("ignores conditions").address(fresh_prefix()), "sink")

    assert not keeps_conditions(bucket)
    assert list(bucket.list("")) == []


class IgnoresCreation(Bucket):
    """A server that keeps ``If-Match`` and not ``If-None-Match``."""

    def create(self, key: str, content: Content) -> str:
        return self.put(key, content)


class IgnoresReplacement(Bucket):
    """A server that keeps ``If-None-Match`` and not ``If-Match``."""

    def replace(self, key: str, content: Content, etag: str) -> str:
        return self.put(key, content)


@pytest.mark.parametrize("kind", [IgnoresCreation, IgnoresReplacement])
def test_a_server_that_keeps_one_condition_of_the_two_is_found_out(kind: type[Bucket]) -> None:
    bucket = kind(s3_server().address(fresh_prefix()), "sink")

    assert not keeps_conditions(bucket)
    assert list(bucket.list("")) == []


@pytest.mark.parametrize(
    ("changes", "kind", "field"),
    [
        ({"secret_access_key": "not-the-secret"}, AuthenticationFailed, "access_key_id"),
        ({"bucket": "no-such-bucket"}, ConfigInvalid, "bucket"),
    ],
)
@pytest.mark.parametrize("name", HONEST)
def test_what_the_server_refuses_names_the_field_and_no_secret(
    name: str, changes: dict[str, str], kind: type[DataPlaneError], field: str
) -> None:
    bucket = Bucket(s3_server(name).address(fresh_prefix(), **changes), "source")

    for call in (lambda: bucket.get("x"), lambda: list(bucket.list("")), lambda: bucket.folder("")):
        with pytest.raises(kind) as refusal:
            call()

        assert (refusal.value.details["field"], refusal.value.role) == (field, "source")
        assert "secret" not in refusal.value.message.replace("secret_access_key", "")
        assert refusal.value.__cause__ is None


def test_a_server_that_is_not_there_is_named() -> None:
    said = {"endpoint": "http://127.0.0.1:1", "bucket": "lake", "access_key_id": "k", "secret_access_key": "s"}

    with pytest.raises(EndpointUnreachable, match=r"http://127\.0\.0\.1:1: nothing answers") as refusal:
        Bucket(ObjectAddress.parse(said, NAMES), "staging").get("x")

    assert refusal.value.details == {"field": "endpoint"}
