"""What goes wrong with PostgreSQL is named by step and parameter, with what to do, and without a secret."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest
from postgres_reading import READER, reader, refused, taken
from postgres_server import PASSWORD, PostgresServer, postgres_server, spare_cluster

from headrace.endpoint import Target
from headrace.endpoints.sinks.postgres import PostgresSink
from headrace.endpoints.sources.postgres import PostgresSource
from headrace.endpoints.systems.postgres import PostgresSystem
from headrace.endpoints.systems.postgres_errors import translated
from headrace.errors import (
    AuthenticationFailed,
    ConfigInvalid,
    DataPlaneError,
    EndpointUnreachable,
    PermissionDenied,
    RowRejected,
)

UNIT = "public.orders"
TABLE = (
    "create table orders (id int primary key, note text)",
    "insert into orders select n, 'x' from generate_series(1, 9) n",
)


@pytest.fixture
def server() -> PostgresServer:
    server = postgres_server()
    server.database(*TABLE)
    return server


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def read(parameters: Mapping[str, str]) -> None:
    taken(parameters, UNIT)


def write(parameters: Mapping[str, str]) -> None:
    target = Target(
        unit="dev/shop/x/lake", unit_id="public.x", run_id="r", generation=1, disposition="append", primary_key=()
    )
    with closing(PostgresSink(parameters)) as sink:
        sink.high_water(target, 1)


CONNECTIONS: dict[str, tuple[dict[str, str], type[DataPlaneError], str, str, str]] = {
    "a host that is not known": (
        {"host": "no-such-host.invalid"}, EndpointUnreachable, "name resolution", "host", "is not known. Check host",
    ),
    "a port nobody listens on": (
        {"host": "127.0.0.1", "port": closed_port()}, EndpointUnreachable, "TCP", "port", "Check host and port",
    ),
    "a folder without a socket": (
        {"host": "/tmp/ssl certificate"}, EndpointUnreachable, "TCP", "port", "Nothing answers at /tmp/ssl certificate",
    ),
    "a wrong password": (
        {"password": "s3cret"}, AuthenticationFailed, "sign-in", "password", "Check username and password",
    ),
    "no password": ({"password": ""}, AuthenticationFailed, "sign-in", "password", "and none was given. Fill in"),
    "a user that does not exist": (
        {"username": "ssl_user"}, AuthenticationFailed, "sign-in", "password", "refused to sign in user ssl_user",
    ),
    "a database that does not exist": (
        {"database": "shopp"}, ConfigInvalid, "database", "database",
        r"Database shopp does not exist.* Did you mean shop\?",
    ),
    "a database named like a role": (
        {"database": 'role "x"'}, ConfigInvalid, "database", "database", "does not exist",
    ),
    "TLS with a server that has none": (
        {"host": "127.0.0.1", "ssl_mode": "require"}, ConfigInvalid, "TLS", "ssl_mode", "Check ssl_mode",
    ),
    "a role that does not exist": ({"role": "no_such"}, ConfigInvalid, "role", "role", "cannot become role no_such"),
}  # fmt: skip


@pytest.mark.parametrize("entry", [read, write])
@pytest.mark.parametrize("fault", CONNECTIONS)
def test_a_connection_that_fails_names_the_step_and_the_parameter_to_look_at(
    server: PostgresServer, fault: str, entry: object
) -> None:
    changed, kind, step, field, said = CONNECTIONS[fault]

    with refused(kind, said, step=step, field=field):
        entry({**server.parameters("shop"), **changed})  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((name, "x\0y") for name in ("host", "port", "database", "username", "password", "role", "application_name")),
        *((name, "x\0y") for name in ("schemas", "ssl_mode", "ssl_root_cert", "ssl_client_cert", "ssl_client_key")),
        *((name, "5\0") for name in ("connect_timeout_ms", "statement_timeout_ms")),
        ("schemas", r'["x\u0000y"]'),
        ("additional_parameters", r'{"sslcrl": "x\u0000y"}'),
    ],
)
def test_a_parameter_with_a_nul_is_refused_by_name_for_libpq_would_leave_out_what_follows_it(
    field: str, value: str
) -> None:
    """What follows may be the TLS that was asked for."""
    known = {"host": "localhost", "port": "5432", "database": "shop", "username": "u", "password": "p"}

    with refused(ConfigInvalid, f"{field} holds a NUL character", field=field):
        PostgresSource({**known, "ssl_mode": "require", field: value})


@pytest.mark.parametrize("fault", CONNECTIONS)
def test_a_test_of_the_connection_says_the_same(server: PostgresServer, fault: str) -> None:
    changed, kind, step, field, _ = CONNECTIONS[fault]

    found = PostgresSystem.test_connection({**server.parameters("shop"), **changed})

    assert (found.success, found.details["step"], found.diagnostics[0].field) == (False, step, field)
    assert found.details["tag"] == kind.tag
    assert PASSWORD not in repr(found)


@pytest.mark.parametrize(
    ("closing_door", "opening", "kind", "field", "said"),
    [
        ("revoke connect on database shop from public", "grant connect on database shop to public",
         PermissionDenied, "database", "Grant CONNECT on it"),
        (f"alter role {READER} nologin", f"alter role {READER} login", AuthenticationFailed, "password", "sign in"),
        (f"alter role {READER} connection limit 0", f"alter role {READER} connection limit -1",
         EndpointUnreachable, "username", "no connection left for user reader"),
        ("alter database shop connection limit 0", "alter database shop connection limit -1",
         EndpointUnreachable, "username", "no connection left for user reader"),
    ],
)  # fmt: skip
def test_a_user_who_is_not_let_in_is_told_why(
    server: PostgresServer, closing_door: str, opening: str, kind: type[DataPlaneError], field: str, said: str
) -> None:
    user = reader(server, "shop")
    server.run("postgres", closing_door)
    try:
        with refused(kind, said, field=field):
            read(user)
    finally:
        server.run("postgres", opening)


def test_a_role_that_the_user_may_not_take_is_refused_by_parameter(server: PostgresServer) -> None:
    with refused(PermissionDenied, "User reader cannot become role headrace.* grant it to the user", field="role"):
        read({**reader(server, "shop"), "role": "headrace"})


# ---- rights within the database


def test_a_table_that_may_not_be_read_is_refused_and_none_of_it_is(server: PostgresServer) -> None:
    with refused(
        PermissionDenied, "is there, and user reader may not read it. Grant usage on schema public, and select"
    ):
        read(reader(server, "shop"))
    with refused(PermissionDenied, r"public\.orders is there, and user reader may not read it\. Grant select on"):
        read(reader(server, "shop", "usage on schema public"))


def test_columns_that_may_be_read_are_read_where_others_may_not(server: PostgresServer) -> None:
    user = reader(server, "shop", "usage on schema public", "select (id) on orders")

    assert taken(user, UNIT, columns=["id"], targetSliceSize=4).ids == list(range(1, 10))
    with refused(PermissionDenied, "permission denied for table orders"):
        read(user)


# ---- in the middle of a read


def test_a_statement_that_takes_too_long_is_ended_by_its_parameter(server: PostgresServer) -> None:
    server.run(
        "shop", "create view slow as select id, pg_sleep(0.05)::text as note from orders, generate_series(1, 99)"
    )
    parameters = server.parameters("shop", statement_timeout_ms="200")

    with refused(EndpointUnreachable, "statement_timeout_ms", field="statement_timeout_ms", sqlstate="57014"):
        taken(parameters, "public.slow")


def end_sessions(server: PostgresServer, of: str = "%") -> None:
    """As an administrator does; those whose last query is like ``of``."""
    sessions = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'headrace-source'"
    server.run("postgres", f"{sessions} and query ilike '{of}'")


def test_a_session_that_ends_in_the_middle_of_its_rows_ends_the_read(server: PostgresServer) -> None:
    server.run("shop", "insert into orders select n, repeat('x', 1000) from generate_series(10, 20000) n")
    with closing(PostgresSource(server.parameters("shop"))) as source:
        slice_, *_ = source.plan(UNIT, None, {}).slices
        batches = source.read(UNIT, slice_, {"batchBytes": 1000})
        next(batches)

        end_sessions(server, of="copy%")

        with refused(EndpointUnreachable, r"[Tt]ry again"):
            list(batches)


def test_sessions_that_end_between_slices_end_the_run_and_the_next_one_goes_on(server: PostgresServer) -> None:
    """The bounds of a slice are asked over one session, its rows over another."""
    first = taken(server.parameters("shop"), UNIT, stop_after=1, targetSliceSize=4)

    with refused(EndpointUnreachable, r"[Tt]ry again"):
        taken(
            server.parameters("shop"), UNIT, first.checkpoint, meanwhile=lambda: end_sessions(server), targetSliceSize=1
        )

    assert taken(server.parameters("shop"), UNIT, first.checkpoint).ids == [5, 6, 7, 8, 9]


def test_a_server_that_stops_in_the_middle_ends_the_read_and_started_again_goes_on_from_there() -> None:
    cluster = spare_cluster()
    cluster.start()
    try:
        cluster.server.database(*TABLE)
        parameters = cluster.server.parameters("shop")
        first = taken(parameters, UNIT, stop_after=1, targetSliceSize=4)

        with refused(EndpointUnreachable, "broke|ended the session|Nothing answers|refused the connection"):
            taken(parameters, UNIT, first.checkpoint, meanwhile=cluster.stop, targetSliceSize=1)
        with refused(EndpointUnreachable, "Nothing answers", field="port"):
            read(parameters)

        cluster.start()
        assert taken(parameters, UNIT, first.checkpoint).ids == [5, 6, 7, 8, 9]
    finally:
        cluster.stop()


def test_a_source_that_is_closed_by_another_thread_ends_its_read(server: PostgresServer) -> None:
    """I11: a server that is silent must not keep a run that was given up."""
    server.run("shop", "create view silent as select pg_sleep(3600)::text as note")
    source = PostgresSource(server.parameters("shop"))
    (slice_,) = source.plan("public.silent", None, {}).slices
    watch = server.connect("shop")

    def is_reading() -> bool:
        found = watch.execute("select from pg_stat_activity where query ilike 'copy%silent%' and state = 'active'")
        return found.fetchall() != []

    def close() -> None:
        while not is_reading():
            pass
        source.close()

    with closing(watch), closing(source), ThreadPoolExecutor(1) as beside:
        closed = beside.submit(close)
        with refused(EndpointUnreachable, "its source was closed"):
            list(source.read("public.silent", slice_, {}))
        closed.result()


@pytest.mark.parametrize(
    ("made", "kind", "said"),
    [
        ("create view v as select 1 / (id - 7) as id from orders", RowRejected, "division by zero"),
        ("create view v as select (case id when 7 then 's3cret' else '1' end)::int as id from orders",
         RowRejected, "invalid input syntax for type integer"),
        ("create function boom(int) returns int language plpgsql as 'begin raise ''s3cret %'', $1; end'; "
         "create view v as select boom(id) as id from orders", RowRejected, "A function or trigger of the database"),
        ("create materialized view v as select id from orders with no data", ConfigInvalid,
         'never filled. Fill it: refresh materialized view "public"."v"'),
        ("create extension if not exists file_fdw schema public; create server files foreign data wrapper file_fdw; "
         "create foreign table v (id int) server files options (filename '/nowhere')", EndpointUnreachable, "its log"),
    ],
)  # fmt: skip
def test_a_view_that_fails_in_the_middle_says_what_failed_and_not_the_value(
    server: PostgresServer, made: str, kind: type[DataPlaneError], said: str
) -> None:
    server.run("shop", made)

    with refused(kind, said):
        taken(server.parameters("shop"), "public.v")
    with pytest.raises(kind) as refusal:
        taken(server.parameters("shop"), "public.v")
    assert "s3cret" not in refusal.value.message


def test_a_connection_of_which_the_driver_says_that_it_broke_has_broken() -> None:
    import asyncpg

    said = translated(asyncpg.ConnectionDoesNotExistError("connection was closed"), role="source", where=UNIT)

    assert said.message == "public.orders: the connection to PostgreSQL broke. Try again."


def test_a_transaction_that_lasted_too_long_for_the_server_is_nobodys_mistake() -> None:
    """Rows that wait for their turn are in one."""
    found = translated(psycopg.errors.lookup("25P04")("timeout"), role="sink", where="lake.orders")

    assert (found.tag, found.retry) == ("EndpointUnreachable", "Later")
