"""What is read and what would be written may be one: then nothing is loaded, whatever both are called."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from carrying import Watching, unit_run
from postgres_server import PostgresServer, postgres_server
from quarantine_carrying import Carrying, lake, shop

from headrace.endpoints.sinks.local_files import LocalFilesSink
from headrace.endpoints.sinks.postgres import PostgresSink
from headrace.endpoints.sources.local_files import LocalFilesSource
from headrace.endpoints.sources.postgres import PostgresSource
from headrace.errors import ConfigInvalid
from headrace.run import run_unit
from headrace.stagings.local_disk import LocalDiskStaging

ORDERS = ("create table orders (id int primary key)", "insert into orders values (1), (2)")


@pytest.fixture
def server() -> PostgresServer:
    return postgres_server()


def _between(server: PostgresServer, root: Path, policy: dict[str, Any], **sink: str) -> None:
    run = unit_run("public.orders", sink_id="lake", policy=policy)
    with (
        closing(PostgresSource(server.parameters("shop"))) as source,
        closing(PostgresSink(server.parameters("shop", **sink))) as target,
    ):
        finished = run_unit(run, source, target, LocalDiskStaging(root), Watching())
    assert finished.errors == []


@pytest.mark.parametrize("disposition", ["append", "merge", "replace"])
@pytest.mark.parametrize("host", [None, "127.0.0.1"], ids=["the same name", "another name"])
def test_a_table_is_not_loaded_into_itself(
    server: PostgresServer, tmp_path: Path, disposition: str, host: str | None
) -> None:
    shop(server, *ORDERS)
    named = {} if host is None else {"host": host, "ssl_mode": "disable"}

    with pytest.raises(ConfigInvalid) as refused:
        _between(server, tmp_path, {"writeDisposition": disposition, "primaryKeys": ["id"]}, **named)

    assert refused.value.message.startswith("Source and sink are the same table, public.orders, and ")
    assert (refused.value.role, refused.value.retry) == ("sink", "AfterFix")
    assert server.rows("shop", "select id from orders order by 1") == [(1,), (2,)]
    assert server.rows("shop", "select from pg_namespace where nspname like '\\_headrace%'") == []


def test_a_table_of_the_same_name_is_another_in_another_schema_or_database(
    server: PostgresServer, tmp_path: Path
) -> None:
    shop(server, *ORDERS, "create schema copy")
    lake(server, "create table orders (id int)")

    _between(server, tmp_path, {"writeDisposition": "append"}, schemas="copy")
    carrying = Carrying(server, tmp_path / "more")
    carrying.run({"writeDisposition": "append"})

    assert server.rows("shop", "select count(*) from copy.orders") == [(2,)]
    assert carrying.stored() == [(1,), (2,)]


def test_a_folder_is_not_loaded_into_itself_through_a_link_either(tmp_path: Path) -> None:
    base = tmp_path / "lake"
    inbox = tmp_path / "in"
    inbox.mkdir()
    (inbox / "orders.jsonl").write_text('{"id": 1}\n')
    _files("orders.jsonl", inbox, base)
    os.symlink(base, tmp_path / "link")
    before = sorted(base.rglob("*"))

    with pytest.raises(ConfigInvalid, match="Source and sink are the same folder, "):
        _files("orders.jsonl", base, tmp_path / "link", writeDisposition="append")
    with pytest.raises(ConfigInvalid, match="Source and sink are the same file, "):
        _files("orders.jsonl", inbox, inbox)

    assert sorted(base.rglob("*")) == before


def _files(unit_id: str, source: Path, sink: Path, **policy: Any) -> None:
    run = unit_run(unit_id, sink_id="lake", policy=policy)
    with (
        closing(LocalFilesSource({"base_path": str(source)})) as reading,
        closing(LocalFilesSink({"base_path": str(sink)})) as writing,
    ):
        assert run_unit(run, reading, writing, LocalDiskStaging(sink.parent / "staging"), Watching()).errors == []
