"""Which table a file lands in: the one of its own name, unless it has had another one so far."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from postgres_server import postgres_server
from postgres_writing import PostgresWriting, note

from headrace.endpoint import Target
from headrace.endpoints.sources.files_names import table_name
from headrace.errors import ConfigInvalid
from headrace.ingestion import run_ingestion_unit


@pytest.fixture
def writing() -> PostgresWriting:
    server = postgres_server()
    server.database()
    return PostgresWriting(server, server.parameters("shop"))


def file(writing: PostgresWriting, table: str | None = "cust", generation: int = 1) -> Target:
    return replace(writing.to("append", generation, unit="cust.csv"), table=table)


def tables(writing: PostgresWriting) -> list[str]:
    found = writing.server.rows(
        "shop",
        "select relnamespace::regnamespace::text || '.' || relname from pg_class where relkind = 'r' "
        "and relname !~ '^_hr_' and relnamespace::regnamespace::text !~ '^(pg_|information)' order by 1",
    )
    return [name for (name,) in found]


@pytest.mark.parametrize(
    ("unit_id", "name"),
    [
        ("cust.csv", "cust"),
        ("eu/2024/cust.csv", "cust"),
        ("app.2024.jsonl", "app.2024"),
        ("events/*.jsonl", "events"),
        ("in/2026-*.csv", "2026"),
        ("*.csv", "csv"),
        ("noending", "noending"),
        ("eu/cust.csv.gz", "cust"),
        ("events/*.jsonl.zst", "events"),
        ("*.csv.gz", "csv"),
        ("*.gz", None),
    ],
)
def test_a_table_is_called_like_the_file_without_folder_and_endings(unit_id: str, name: str | None) -> None:
    assert table_name("files" if "*" in unit_id else "file", unit_id) == name


def test_what_a_sink_of_files_wrote_keeps_the_name_of_its_unit() -> None:
    assert table_name("slices", "public.orders") is None


@pytest.mark.parametrize(("schemas", "table"), [("", "public.cust"), ("lake", "lake.cust")])
def test_a_file_lands_in_public_or_in_the_first_schema_of_the_sink(
    configured: Any, writing: PostgresWriting, tmp_path: Path, schemas: str, table: str
) -> None:
    (tmp_path / "cust.csv").write_text("id,note\n1,a\n")
    configured.configure("drop", "file.local", {"base_path": str(tmp_path)})
    configured.configure("shop", "jdbc.postgres", {**writing.parameters, "schemas": schemas})

    result = run_ingestion_unit("drop", "shop", "cust.csv", None, {"mode": "full"})

    assert result["errors"] == []
    assert tables(writing) == [table]
    assert result["stats"]["location"].endswith(f"/shop/{table}")


def test_a_unit_goes_on_with_the_table_that_its_path_once_named(writing: PostgresWriting) -> None:
    writing.put(file(writing, table=None), [note(1)])

    writing.put(file(writing), [note(1)], [note(2)], epoch=2)
    writing.put(file(writing, generation=2), [note(3)], epoch=3)

    assert tables(writing) == ["cust.csv"]
    assert writing.rows(table="cust.csv") == [(1, "old"), (2, "old"), (3, "old")]


def test_a_unit_goes_on_with_such_a_table_that_people_made(writing: PostgresWriting) -> None:
    writing.server.run("shop", "create schema cust", "create table cust.csv (id bigint, note text)")
    writing.put(file(writing, table=None), [note(1)])

    writing.put(file(writing), [note(1)], [note(2)], epoch=2)

    assert tables(writing) == ["cust.csv"]


@pytest.mark.parametrize("is_dropped", [False, True], ids=["there", "dropped"])
def test_a_table_of_that_name_that_others_have_is_left_alone(writing: PostgresWriting, *, is_dropped: bool) -> None:
    writing.parameters["schemas"] = "lake"
    writing.server.run("shop", "create schema lake", "create table lake.csv (id bigint, note text)")
    writing.put(file(writing), [note(1)])
    if is_dropped:
        writing.server.run("shop", "drop table lake.cust")

    writing.put(file(writing, generation=2), [note(2)], epoch=2)

    assert writing.rows(table="lake.csv") == []
    assert (2, "old") in writing.rows(table="lake.cust")


def test_two_files_of_one_name_are_two_units_of_which_one_has_the_table(writing: PostgresWriting) -> None:
    writing.put(file(writing), [note(1)])
    other = replace(file(writing), unit="dev/shop/eu%2Fcust.csv/lake", unit_id="eu/cust.csv")

    with pytest.raises(ConfigInvalid, match=r"public\.cust belongs to the unit .*cust\.csv.*another\s+schema"):
        writing.put(other, [note(2)])


def test_a_name_longer_than_postgresql_has_them_is_refused_with_the_table(writing: PostgresWriting) -> None:
    with pytest.raises(ConfigInvalid, match="63"):
        writing.put(file(writing, table="x" * 64), [note(1)])
