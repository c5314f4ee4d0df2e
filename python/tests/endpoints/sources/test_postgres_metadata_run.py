"""A table without a sink: the knowledge base learns what it is, and none of its rows."""

from __future__ import annotations

import msgspec
from carrying import Watching, unit_run
from postgres_server import postgres_server

from headrace.endpoints.sources.postgres import PostgresSource
from headrace.events import Records
from headrace.protocol import NormalizedRecord
from headrace.run import run_unit
from headrace.stagings.in_memory import InMemoryStaging


def _records() -> list[NormalizedRecord]:
    server = postgres_server()
    database = server.database(
        "create table customers (id bigint primary key, name text not null)",
        "create table orders (id bigint primary key, customer bigint references customers (id), note text)",
        "insert into customers values (1, 'canary')",
        "insert into orders values (1, 1, 'canary')",
    )
    watching = Watching()
    source = PostgresSource(server.parameters(database))
    try:
        run_unit(unit_run("public.orders"), source, None, InMemoryStaging(), watching)
    finally:
        source.close()
    return [record for event in watching.of(Records) for record in event.records]


def test_a_table_yields_its_dataset_its_columns_and_its_references_and_nothing_else() -> None:
    """D19"""
    dataset, *columns = _records()

    assert [dataset.entity_type, *(column.entity_type for column in columns)] == [
        "catalog.dataset", *["catalog.column"] * 3,
    ]  # fmt: skip
    assert [column.payload["name"] for column in columns] == ["id", "customer", "note"]
    has = [edge.target_logical_id for edge in dataset.edges if edge.type == "HAS_COLUMN"]
    assert has == [column.logical_id for column in columns]
    (reference,) = [edge for edge in dataset.edges if edge.type == "REFERENCES"]
    assert reference.target_logical_id.endswith("/public/customers")
    assert reference.properties == {"columns": ["customer"], "targetColumns": ["id"]}
    assert dataset.payload["primaryKey"] == ["id"]


def test_no_value_of_a_row_reaches_the_knowledge_base() -> None:
    """D19"""
    assert b"canary" not in msgspec.json.encode(_records())
