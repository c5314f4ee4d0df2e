"""A statement that wants the table alone waits for a run, and the run does not wait behind it for ever."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
from postgres_reading import once_it_waits, open_transaction
from postgres_server import PostgresServer, postgres_server

from headrace.endpoints.sources.postgres import PostgresSource
from headrace.endpoints.systems import postgres_session
from headrace.endpoints.systems.postgres_duckdb import DuckDBFailed, DuckDBReader, Rows
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.errors import EndpointUnreachable

UNIT = "public.orders"
ALTER = "alter table {} alter v type bigint"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> PostgresServer:
    """A run that would wait for ever is ended by the server, so that a test of it fails."""
    monkeypatch.setattr(postgres_session, "LOCK_WAIT_MS", 50)
    server = postgres_server()
    server.database(
        "create table orders (id int primary key, v int)",
        "insert into orders select n, n from generate_series(1, 9) n",
        "create view seen as select * from orders",
    )
    return server


def waiting(server: PostgresServer) -> dict[str, str]:
    return server.parameters("shop", statement_timeout_ms="20000")


@pytest.mark.parametrize("policy", [{}, {"nativeFormat": "pgcopy"}], ids=["Arrow", "blocks"])
@pytest.mark.parametrize("unit_id", [UNIT, "public.seen"])
def test_a_run_that_waits_behind_an_alter_table_which_waits_for_it_lets_go(
    server: PostgresServer, unit_id: str, policy: dict[str, str]
) -> None:
    """The server sees no deadlock, for the session that holds the lock waits for nobody."""
    with ThreadPoolExecutor(1) as beside:
        with closing(PostgresSource(waiting(server))) as source:
            (slice_,) = source.plan(unit_id, None, policy).slices
            altering = beside.submit(lambda: server.run("shop", "drop view seen", ALTER.format("orders")))
            once_it_waits(server, "shop", lambda: None)
            with pytest.raises(EndpointUnreachable, match=rf"{unit_id} is being altered; .* start again\.$"):
                list(source.read(unit_id, slice_, policy))
            assert not altering.done()
        altering.result()


def test_a_slice_that_duckdb_writes_does_not_wait_for_ever_either(server: PostgresServer, tmp_path: Path) -> None:
    """It is read again by the other reader then, which says why."""
    parameters = PostgresParameters.parse(waiting(server))
    with (
        open_transaction(server, "shop", "lock table orders in access exclusive mode"),
        closing(DuckDBReader(parameters, ())) as reader,
        pytest.raises(DuckDBFailed, match="lock timeout"),
    ):
        reader.write_parquet(Rows("select id from orders"), tmp_path / "1", pa.schema([]), {"compression": "snappy"})
