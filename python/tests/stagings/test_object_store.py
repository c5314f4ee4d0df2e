"""Staging in a bucket keeps the contract on a real server, and what is special to it: parts, owners, the sweep."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from carrying import rows_parameters
from object_store_settings import environment
from s3_servers import S3Server, fresh_prefix, s3_server

from headrace.errors import ConfigInvalid, EndpointUnreachable
from headrace.ingestion import run_ingestion_unit
from headrace.objects.bucket import Bucket
from headrace.stagings.in_memory import InMemoryStaging
from headrace.stagings.object_store import SETTINGS, URL, ObjectStoreStaging, configured_address
from headrace.stagings.object_store_session import PART_BYTES
from headrace.testing.staging_suite import ROWS, StagingProviderSuite, context, read

on_a_server = pytest.mark.s3_server


@on_a_server
class TestObjectStoreStaging(StagingProviderSuite):
    """Once: what it needs of a server is what ``Bucket`` promises, and that is tested on each."""

    @pytest.fixture(autouse=True)
    def _prefix(self) -> None:
        self.server, self.prefix = s3_server(), fresh_prefix()

    def provider(self) -> ObjectStoreStaging:
        return ObjectStoreStaging(self.server.address(self.prefix))

    def bounded_provider(self, max_bytes: int) -> ObjectStoreStaging:
        return ObjectStoreStaging(self.server.address(self.prefix), max_bytes)

    def leftovers(self) -> int:
        return len(self.server.keys(self.prefix))


@pytest.fixture
def server() -> S3Server:
    return s3_server()


@pytest.fixture
def prefix() -> str:
    return fresh_prefix()


@pytest.fixture
def provider(server: S3Server, prefix: str) -> ObjectStoreStaging:
    return ObjectStoreStaging(server.address(prefix))


@on_a_server
def test_equal_rows_seal_as_they_do_in_memory(provider: ObjectStoreStaging) -> None:
    seals: list[str] = []
    for each in (provider, InMemoryStaging()):
        with closing(each.allocate_session(context())) as session:
            session.writer().write_batch(ROWS)
            seals.append(session.seal().sha256)

    assert seals[0] == seals[1]


@on_a_server
def test_a_large_slice_lies_in_parts_of_bounded_size_and_leaves_memory_flat(
    provider: ObjectStoreStaging, server: S3Server, prefix: str
) -> None:
    batch = pa.record_batch([pa.array(range(200_000))], names=["n"])
    highest = before = pa.total_allocated_bytes()
    with closing(provider.allocate_session(context())) as session:
        for _ in range(50):
            session.writer().write_arrow(batch)
            highest = max(highest, pa.total_allocated_bytes())
        for _ in session.reader().iter_arrow(max_bytes=1_000_000):
            highest = max(highest, pa.total_allocated_bytes())

        sizes = [len(server.read(f"{prefix}/{key}")) for key in server.keys(prefix) if "part-" in key]

    assert len(sizes) >= 50 * batch.nbytes // (PART_BYTES + batch.nbytes)
    assert max(sizes) <= PART_BYTES + 2 * batch.nbytes
    assert highest - before <= 4 * PART_BYTES


@on_a_server
def test_the_manifest_comes_last_and_names_every_part_with_its_hash(
    provider: ObjectStoreStaging, server: S3Server, prefix: str
) -> None:
    with closing(provider.allocate_session(context())) as session:
        session.writer().write_batch(ROWS)
        assert not any(key.endswith("manifest.json") for key in server.keys(prefix))
        seal = session.seal()

        (place,) = [key for key in server.keys(prefix) if key.endswith("manifest.json")]
        manifest = msgspec.json.decode(server.read(f"{prefix}/{place}"))

    assert (manifest["rows"], manifest["sha256"]) == (len(ROWS), seal.sha256)
    assert [part["name"] for part in manifest["parts"]] == ["part-000000"]


@on_a_server
@pytest.mark.parametrize("harm", ["changed", "deleted"])
def test_a_part_that_is_not_what_was_staged_is_refused(
    provider: ObjectStoreStaging, server: S3Server, prefix: str, harm: str
) -> None:
    with closing(provider.allocate_session(context())) as session:
        session.writer().write_batch(ROWS)
        session.seal()
        (part,) = [f"{prefix}/{key}" for key in server.keys(prefix) if "part-" in key]
        if harm == "changed":
            content = bytearray(server.read(part))
            content[len(content) // 2] ^= 1
            server.write(part, bytes(content))
        else:
            server.delete(part)

        with pytest.raises(EndpointUnreachable, match="part-000000") as refusal:
            read(session)

    assert refusal.value.role == "staging"


@on_a_server
def test_a_store_that_is_full_of_rights_it_lacks_says_which_setting_is_wrong(server: S3Server, prefix: str) -> None:
    wrong = ObjectStoreStaging(server.address(prefix, secret_access_key="wrong"))

    with pytest.raises(Exception, match="Correct access_key_id") as refusal:
        wrong.allocate_session(context())

    assert "wrong" not in str(refusal.value)


@on_a_server
def test_the_place_comes_from_the_settings(server: S3Server, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(server, prefix).items():
        monkeypatch.setenv(name, value)

    with closing(ObjectStoreStaging().allocate_session(context())) as session:
        session.writer().write_batch(ROWS)
        assert read(session) == list(ROWS)
        assert server.keys(prefix) != []


@on_a_server
def test_a_run_stages_in_one_prefix_and_lands_in_another_and_leaves_nothing_staged(
    server: S3Server, prefix: str, configured: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(server, f"{prefix}/staging").items():
        monkeypatch.setenv(name, value)
    configured.configure("rows", "test.rows", rows_parameters(5))
    configured.configure("lake", "object.s3", server.parameters(f"{prefix}/lake"))

    result = run_ingestion_unit("rows", "lake", "rows", None, {}, "object_store")

    assert (result["errors"], result["stats"]["applied_rows"]) == ([], 5)
    assert (result["stats"]["stagingProviderId"], result["stats"]["slices"]) == ("object_store", 3)
    assert server.keys(f"{prefix}/staging") == []
    assert len([key for key in server.keys(f"{prefix}/lake") if key.endswith(".parquet")]) == 3


def test_sweeping_a_place_that_nobody_set_is_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(URL, raising=False)

    assert ObjectStoreStaging().sweep(0, keep=[]) == (0, 0)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({}, URL),
        ({URL: "https://lake/staging"}, URL),
        ({URL: "s3://key:secret@lake"}, URL),
        ({URL: "s3://lake/../etc"}, URL),
        ({URL: "s3://lake", SETTINGS["access_key_id"]: "key"}, SETTINGS["secret_access_key"]),
        ({URL: "s3://lake", SETTINGS["endpoint"]: "store:9000"}, SETTINGS["endpoint"]),
    ],
)
def test_a_setting_that_is_wrong_is_named(
    settings: dict[str, str], field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (URL, *SETTINGS.values()):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ConfigInvalid, match=field) as refusal:
        ObjectStoreStaging().allocate_session(context())

    assert refusal.value.details == {"field": field}
    assert "key:secret" not in refusal.value.message


def test_no_secret_shows_where_an_address_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL, "s3://lake/staging")
    monkeypatch.setenv(SETTINGS["access_key_id"], "key")
    monkeypatch.setenv(SETTINGS["secret_access_key"], "hidden")

    address = configured_address()

    assert (address.secret_access_key, "hidden" in repr(address), "hidden" in repr(Bucket(address, None))) == (
        "hidden", False, False,
    )  # fmt: skip
