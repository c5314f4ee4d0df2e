"""Iceberg as a sink keeps the contract with catalogs that are servers: PostgreSQL, and REST with tables in a bucket."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from iceberg_reading import duckdb_table
from iceberg_writing import IcebergWriting, note
from postgres_server import PASSWORD, USER, postgres_server
from s3_servers import ACCESS_KEY, SECRET_KEY, TABLES, s3_server

from headrace.endpoint import Target
from headrace.endpoints.sinks.iceberg import IcebergSink
from headrace.endpoints.systems import iceberg_catalog
from headrace.endpoints.systems.iceberg import IcebergSystem
from headrace.errors import EndpointUnreachable, PermissionDenied
from headrace.staging import Row
from headrace.testing.sink_suite import SinkEndpointSuite


class IcebergServerSuite(SinkEndpointSuite):
    parameters: Mapping[str, str]
    s3: Mapping[str, str] | None = None

    def sink(self) -> IcebergSink:
        return IcebergSink(self.parameters)

    def stored(self, target: Target) -> Sequence[Row]:
        writing = IcebergWriting(self.parameters, target.unit_id)
        return duckdb_table(writing.table().metadata_location, self.s3).to_pylist() if writing.exists() else []


def postgres_catalog(folder: Path) -> dict[str, str]:
    server = postgres_server()
    server.database()
    return {
        "catalog_type": "sql",
        "catalog_uri": f"postgresql://{USER}@127.0.0.1:{server.port}/shop",
        "token": PASSWORD,
        "warehouse": str(folder / "lake"),
    }


class TestIcebergSinkOfPostgresCatalog(IcebergServerSuite):
    @pytest.fixture(autouse=True)
    def _catalog(self, tmp_path: Path) -> None:
        self.parameters = postgres_catalog(tmp_path)


def test_a_catalog_whose_database_takes_no_writes_is_one_to_come_back_to(tmp_path: Path) -> None:
    writing, server = IcebergWriting(postgres_catalog(tmp_path)), postgres_server()
    target = writing.to("append")
    writing.put(target, [note(1)])
    server.run("postgres", "alter database shop set default_transaction_read_only = on")
    try:
        with pytest.raises(EndpointUnreachable, match="takes no writes") as refusal:
            writing.put(target, [note(2)], epoch=2, first=1)
    finally:
        server.run("postgres", "alter database shop reset default_transaction_read_only")

    assert refusal.value.details == {"field": "catalog_uri"}
    assert writing.notes() == [(1, "old")]
    assert writing.unnamed_files() == []


def test_a_table_whose_row_others_hold_is_one_to_come_back_to_and_nothing_of_the_slice_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(iceberg_catalog, "LOCK_MILLISECONDS", 1)
    writing = IcebergWriting(postgres_catalog(tmp_path))
    target = writing.to("append")
    with postgres_server().connect("shop") as other, writing.owner(target) as sink, other.transaction():
        other.execute("update iceberg_tables set metadata_location = metadata_location")

        with pytest.raises(EndpointUnreachable, match="busy"):
            writing.write(sink, target, [note(1)], seq=0)

    assert writing.notes() == []
    assert writing.unnamed_files() == []


def rest_catalog(**changes: str) -> dict[str, str]:
    """SeaweedFS, in a namespace of its own."""
    server = s3_server()
    properties = {
        "s3.endpoint": server.endpoint, "s3.access-key-id": ACCESS_KEY, "s3.secret-access-key": SECRET_KEY,
        "s3.region": "us-east-1", "rest.sigv4-enabled": True, "rest.signing-name": "s3tables",
        "rest.signing-region": "us-east-1", "client.access-key-id": ACCESS_KEY,
        "client.secret-access-key": SECRET_KEY, "client.region": "us-east-1", **changes,
    }  # fmt: skip
    return {
        "catalog_type": "rest",
        "catalog_uri": f"http://127.0.0.1:{server.iceberg_port}",
        "warehouse": f"s3://{TABLES}/",
        "namespace": f"n{uuid.uuid4().hex[:12]}",
        "additional_properties": json.dumps(properties),
    }


@pytest.mark.s3_server
class TestIcebergSinkOfRestCatalog(IcebergServerSuite):
    @pytest.fixture(autouse=True)
    def _catalog(self) -> None:
        self.parameters = rest_catalog()
        address = s3_server().endpoint.removeprefix("http://")
        self.s3 = {"key_id": ACCESS_KEY, "secret": SECRET_KEY, "endpoint": address, "region": "us-east-1"}


@pytest.mark.s3_server
def test_a_rest_catalog_that_refuses_the_keys_is_the_step_that_failed() -> None:
    tested = IcebergSystem.test_connection(rest_catalog(**{"client.secret-access-key": "wr0ng-secret"}), "read")

    assert (tested.success, tested.details["step"]) == (False, "catalog")
    assert "wr0ng-secret" not in tested.message


@pytest.mark.s3_server
def test_a_bucket_that_refuses_the_keys_ends_the_slice_and_nothing_is_seen() -> None:
    parameters = rest_catalog()
    writing, stranger = IcebergWriting(parameters), IcebergWriting(parameters)
    properties = json.loads(parameters["additional_properties"])
    target = writing.to("append")
    with stranger.owner(target):
        writing.parameters["additional_properties"] = json.dumps({**properties, "s3.secret-access-key": "wr0ng"})

        with pytest.raises(PermissionDenied), writing.owner(target) as sink:
            writing.write(sink, target, [note(1)], seq=0)

    assert stranger.table().scan().to_arrow().num_rows == 0
