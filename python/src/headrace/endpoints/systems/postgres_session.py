"""Connections to PostgreSQL, and the one place where names and values become SQL text.

Identifiers come from the catalogue or a unit's id and pass ``quote_identifier``.
Values are bound; where COPY cannot bind them they pass ``quote_literal``.
"""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Generator, Sequence
from typing import Any, TypeAlias

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq.abc import PGresult

from headrace.endpoints.systems.postgres_adbc import adbc
from headrace.endpoints.systems.postgres_errors import (
    refused_connection,
    refused_role,
    sqlstate,
    translated,
)
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.errors import ConfigInvalid, DataPlaneError
from headrace.protocol import Role
from headrace.suggestions import did_you_mean

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

Question: TypeAlias = tuple[str, Sequence[object]]
"""A statement and its values."""

MAX_IDENTIFIER_BYTES = 63
SOURCE_APPLICATION = "headrace-source"
SINK_APPLICATION = "headrace-sink"

PREPARED_AFTER = 2
"""How often a session is asked the same before it is asked so for good: what is in a run's own words comes once."""

LOCK_WAIT_MS = 2000
"""Longer than a statement takes that gives up by itself, shorter than people wait for a table."""

_SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "iso_8601",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "client_min_messages": "error",
    "idle_in_transaction_session_timeout": "0",
    "plan_cache_mode": "force_generic_plan",
}
"""What values look like as text must not depend on the server's configuration. And what is asked of the catalogue again
and again is planned once: to plan it takes longer than to answer it."""


def quote_identifier(name: str) -> str:
    """The name as SQL. Raises ``ConfigInvalid`` for what PostgreSQL would cut or cannot hold."""
    if name == "" or "\0" in name:
        raise ConfigInvalid(f"PostgreSQL cannot hold an object of the name {name!r}.")
    if len(name.encode()) > MAX_IDENTIFIER_BYTES:
        raise ConfigInvalid(
            f"The name {name!r} has {len(name.encode())} bytes; PostgreSQL cuts names after {MAX_IDENTIFIER_BYTES}. "
            "Choose a shorter name."
        )
    return '"' + name.replace('"', '""') + '"'


def quote_qualified(schema: str, name: str) -> str:
    return f"{quote_identifier(schema)}.{quote_identifier(name)}"


def quote_literal(value: str) -> str:
    """The text as an SQL literal, for sessions with ``standard_conforming_strings`` on, as ours are."""
    if "\0" in value:
        raise ConfigInvalid("PostgreSQL cannot hold a text with a NUL character.")
    return "'" + value.replace("'", "''") + "'"


def connection_string(parameters: PostgresParameters, role: Role | None) -> str:
    application = SINK_APPLICATION if role == "sink" else SOURCE_APPLICATION
    return make_conninfo(
        host=parameters.host,
        port=parameters.port,
        dbname=parameters.database,
        user=parameters.username,
        password=parameters.password,
        application_name=parameters.application_name or application,
        client_encoding="UTF8",
        connect_timeout=parameters.connect_timeout_seconds,
        **parameters.libpq,
    )


def connect(parameters: PostgresParameters, role: Role | None) -> Connection:
    """Open a connection in autocommit mode. Parameters of statements are ``$1``, ``$2``, …

    Raises:
        EndpointUnreachable, AuthenticationFailed, PermissionDenied, ConfigInvalid: ``details["step"]`` failed.
    """
    try:
        connection: Connection = psycopg.connect(
            connection_string(parameters, role),
            autocommit=True,
            prepare_threshold=None,
            cursor_factory=psycopg.RawCursor,
        )
    except psycopg.Error as error:
        raise _refused(error, parameters, role) from None
    with _settling(connection, parameters, role):
        settle(connection, parameters)
    return connection


def settle(connection: Connection, parameters: PostgresParameters) -> None:
    """Make the session what we need, whatever the server is configured to. Raises what psycopg does.

    Statements are prepared where the process that answers is the one that was connected to. Behind a pooler the next
    transaction may be another's, which knows nothing of them.
    """
    (told,), *_ = pipelined(connection, [(statement, ()) for statement in _settling_statements(parameters)])
    _prepare_where_possible(connection, told[-1])


def settle_again(connection: Connection, parameters: PostgresParameters) -> None:
    """The same for a session that was kept, whose server may have gone since: silence is an ``OperationalError``."""
    told, *_ = answers(connection, "; ".join(_settling_statements(parameters)), parameters.connect_timeout_seconds)
    _prepare_where_possible(connection, int(told.get_value(0, told.nfields - 1) or 0))


def _settling_statements(parameters: PostgresParameters) -> list[str]:
    role = [] if parameters.role is None else [f"set role {quote_identifier(parameters.role)}"]
    return [f"{settings_statement(parameters)}, pg_backend_pid()", *role]


def _prepare_where_possible(connection: Connection, answering: int) -> None:
    connection.prepare_threshold = PREPARED_AFTER if answering == connection.info.backend_pid else None


def connect_arrow(parameters: PostgresParameters, role: Role | None) -> Any:
    """Open an ADBC connection in autocommit mode, with the same settings."""
    try:
        connection = adbc.connect(connection_string(parameters, role), autocommit=True)
    except adbc.Error as error:
        raise _refused(error, parameters, role) from None
    with _settling(connection, parameters, role):
        run_arrow(connection, settings_statement(parameters))
        if parameters.role is not None:
            run_arrow(connection, f"set role {quote_identifier(parameters.role)}")
    return connection


@contextlib.contextmanager
def _settling(connection: Any, parameters: PostgresParameters, role: Role | None) -> Generator[None]:
    """A connection that cannot be made what we need is closed again."""
    try:
        yield
    except (psycopg.Error, adbc.Error) as error:
        connection.close()
        if parameters.role is not None and sqlstate(error) in ("22023", "42501"):
            raise refused_role(error, parameters.role, role=role, user=parameters.username) from None
        raise translated(error, role=role, where=f"PostgreSQL at {parameters.place}") from None


def settings_statement(parameters: PostgresParameters) -> str:
    settings = {**_SETTINGS, "statement_timeout": str(parameters.statement_timeout_ms)}
    calls = (f"set_config({quote_literal(name)}, {quote_literal(value)}, false)" for name, value in settings.items())
    return f"select {', '.join(calls)}"


def lock_timeout_statement() -> str:
    """For sessions that read beside one that holds the locks: what they wait for may wait for that one."""
    return f"set lock_timeout = {LOCK_WAIT_MS}"


def run(connection: Connection, statement: str, values: Sequence[object] = ()) -> int:
    """Execute one statement, never prepared, and answer how many rows it touched."""
    return connection.execute(statement.encode(), values, prepare=False).rowcount


def run_unseen(connection: Connection, statements: str) -> None:
    """Execute statements, divided by ``;``, in one round trip and past psycopg, which forgets all it has prepared with
    any ROLLBACK and DROP it sees. What it prepared must not depend on them. Raises what psycopg does."""
    result = connection.pgconn.exec_(statements.encode())
    if result.status == psycopg.pq.ExecStatus.FATAL_ERROR:
        raise psycopg.errors.error_from_result(result)


def answers(connection: Connection, statements: str, seconds: float) -> list[PGresult]:
    """As ``run_unseen``, of a server that may be silent. Raises ``OperationalError`` when it is for so long; the
    connection is of no use then."""
    wire, until, arriving = connection.pgconn, time.monotonic() + seconds, select.poll()
    arriving.register(wire.socket, select.POLLIN)
    wire.send_query(statements.encode())
    results: list[PGresult] = []
    while True:
        while wire.is_busy():
            if not arriving.poll(1000 * max(0, until - time.monotonic())):
                raise psycopg.OperationalError("The server did not answer in time.")
            wire.consume_input()
        result = wire.get_result()
        if result is None:
            return results
        if result.status == psycopg.pq.ExecStatus.FATAL_ERROR:
            raise psycopg.errors.error_from_result(result)
        results.append(result)


def query(connection: Connection, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    return connection.execute(statement.encode(), values).fetchall()


def pipelined(connection: Connection, questions: Sequence[Question]) -> list[list[tuple[Any, ...]]]:
    """The rows of each statement, sent together: one round trip however many there are. The first failure is raised."""
    with connection.pipeline():
        cursors = [connection.execute(statement.encode(), values) for statement, values in questions]
    return [cursor.fetchall() if cursor.description is not None else [] for cursor in cursors]


def run_arrow(connection: Any, statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@contextlib.contextmanager
def transaction(connection: Connection, begin: str = "begin") -> Generator[None]:
    """One transaction: committed at the end of the block, rolled back when it raises."""
    run(connection, begin)
    try:
        yield
        run(connection, "commit")
    except BaseException:
        if not connection.closed and not connection.broken:
            connection.rollback()
        raise


def _refused(error: Exception, parameters: PostgresParameters, role: Role | None) -> DataPlaneError:
    refused = refused_connection(
        str(error).replace(parameters.password, "****") if parameters.password else str(error),
        role=role,
        host=parameters.host,
        place=parameters.place,
        database=parameters.database,
        user=parameters.username,
    )
    if refused.details.get("field") == "database" and isinstance(refused, ConfigInvalid):
        refused.message += did_you_mean(parameters.database, _databases(parameters, role)) or " Check database."
        refused.args = (refused.message,)
    return refused


def _databases(parameters: PostgresParameters, role: Role | None) -> list[str]:
    """Names to suggest, as far as the maintenance database tells; none when it does not let us in."""
    if parameters.database == "postgres":
        return []
    conninfo = make_conninfo(connection_string(parameters, role), dbname="postgres")
    try:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            return [name for (name,) in connection.execute(b"select datname from pg_database where datallowconn")]
    except psycopg.Error:
        return []
