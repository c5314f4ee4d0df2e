"""A test of a PostgreSQL connection, step by step; the first step that fails is the answer.

Name resolution and TCP are tried by hand, for libpq tells them apart in words
only. Level ``write`` makes a table in a transaction that is rolled back, which
proves both the privilege and that what is rolled back is gone.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

import psycopg

from headrace.endpoint import TestLevel
from headrace.endpoints.systems.postgres import failed
from headrace.endpoints.systems.postgres_catalog import relations
from headrace.endpoints.systems.postgres_errors import translated
from headrace.endpoints.systems.postgres_parameters import PostgresParameters
from headrace.endpoints.systems.postgres_schemas import absence, missing_schemas, why_not_made
from headrace.endpoints.systems.postgres_session import (
    Connection,
    connect,
    query,
    quote_identifier,
    quote_qualified,
    run,
)
from headrace.errors import DataPlaneError, EndpointUnreachable
from headrace.protocol import ConnectionTest, Diagnostic, Json

_READS = ["metadata.collect", "metadata.preview", "ingest.full", "ingest.incremental"]
_OLDEST = 140000
_MISSING = "SCHEMA_MISSING"


def probe(parameters: PostgresParameters, level: TestLevel) -> ConnectionTest:
    """Never raises for what a server or a network may do."""
    unreachable = None if parameters.is_local else _reach(parameters)
    if unreachable is not None:
        return unreachable
    try:
        connection = connect(parameters, None)
    except DataPlaneError as error:
        step, field = error.details.get("step", "sign-in"), error.details.get("field")
        return failed(str(step), error.message, None if field is None else str(field), type(error))
    try:
        with connection:
            return _capabilities(connection, parameters, level)
    except (psycopg.Error, DataPlaneError) as error:
        refusal = translated(error, role=None, where=f"Database {parameters.database} at {parameters.place}")
        return failed("capability", refusal.message, "schemas" if level == "write" else "username")


def _reach(parameters: PostgresParameters) -> ConnectionTest | None:
    host, port = parameters.host, parameters.port
    try:
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        message = f"The name {host} is not known. Check host, and the machine's DNS."
        return failed("name resolution", message, "host", EndpointUnreachable)
    try:
        socket.create_connection((host, port), timeout=parameters.connect_timeout_seconds).close()
    except ConnectionRefusedError:
        message = f"Nothing answers at {host}:{port}. Check host and port, and that PostgreSQL is running there."
        return failed("TCP", message, "port", EndpointUnreachable)
    except OSError as error:
        reason = error.strerror or "it did not answer in time"
        message = f"{host}:{port} cannot be reached: {reason}. Check host, port and firewall."
        return failed("TCP", message, "host", EndpointUnreachable)
    return None


def _capabilities(connection: Connection, parameters: PostgresParameters, level: TestLevel) -> ConnectionTest:
    version, number, is_replica = query(
        connection,
        "select current_setting('server_version'), current_setting('server_version_num')::int, pg_is_in_recovery()",
    )[0]
    diagnostics: list[Diagnostic] = []
    capabilities = [*_READS]
    details: dict[str, Json] = {"serverVersion": str(version), "isReplica": bool(is_replica)}
    if number < _OLDEST:
        diagnostics.append(_warning("POSTGRES_VERSION", f"PostgreSQL {version} is older than what is tested (14)."))
    details |= _encryption(connection)
    if level == "write":
        refused = _refused_write(connection, parameters, is_replica=bool(is_replica))
        if refused is not None:
            return refused
        capabilities.append("sink.jdbc")
    else:
        schemas = _schemas(connection, parameters, level)
        if schemas is not None and schemas.level == "ERROR":
            return failed("capability", schemas.message, "schemas")
        diagnostics.extend(() if schemas is None else (schemas,))
        if level == "read":
            details["units"] = len(relations(connection, parameters.schemas))
    connected = f"Connected to PostgreSQL {version} at {parameters.place}, database {parameters.database}."
    return ConnectionTest(
        success=True,
        message=" ".join((connected, *(found.message for found in diagnostics if found.code == _MISSING))),
        detected_version=str(version),
        capabilities=capabilities,
        details=details,
        diagnostics=diagnostics,
    )


def _encryption(connection: Connection) -> Mapping[str, Json]:
    rows = query(connection, "select ssl, version from pg_stat_ssl where pid = pg_backend_pid()")
    return {"tls": str(rows[0][1])} if rows and rows[0][0] else {"tls": None}


def _schemas(connection: Connection, parameters: PostgresParameters, level: TestLevel) -> Diagnostic | None:
    """What is to be said of schemas that are not there. The first one alone may be made, and only by a sink."""
    missing = missing_schemas(connection, parameters.schemas)
    if not missing:
        return None
    unmade = missing if level == "read" else [schema for schema in missing if schema != parameters.schemas[0]]
    if unmade:
        return Diagnostic(level="ERROR", code=_MISSING, message=absence(connection, unmade[0]))
    said = absence(connection, missing[0])
    why = why_not_made(connection)
    if why is not None:
        return Diagnostic(level="ERROR", code=_MISSING, message=f"{said} {why}")
    return _warning(_MISSING, f"{said} A sink makes it when it is first written; a source needs it.", "schemas")


def _refused_write(
    connection: Connection, parameters: PostgresParameters, *, is_replica: bool
) -> ConnectionTest | None:
    if is_replica:
        return failed("capability", f"{parameters.place} is a replica, which stores nothing. Use the primary.", "host")
    schema = parameters.schemas[0] if parameters.schemas else "public"
    try:
        run(connection, "begin")
        if missing_schemas(connection, [schema]):
            run(connection, f"create schema {quote_identifier(schema)}")
        run(connection, f"create table {quote_qualified(schema, '_hr_probe')} (n int)")
    except psycopg.Error as error:
        refusal = translated(error, role="sink", where=f"Schema {schema} of database {parameters.database}")
        return failed("capability", refusal.message, "schemas")
    finally:
        connection.rollback()
    return None


def _warning(code: str, message: str, field: str | None = None) -> Diagnostic:
    return Diagnostic(level="WARN", code=code, message=message, field=field)
