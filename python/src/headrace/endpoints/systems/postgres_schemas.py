"""The schemas that an endpoint names: whether they are there, and whether the first could be made.

Nobody says of an endpoint whether it is to be read or written. A sink makes the
first of its schemas, and a source needs all of them, so a missing first one is
refused by the source, when it looks for its units, and not by the connection.
"""

from __future__ import annotations

from collections.abc import Sequence

from headrace.endpoints.systems.postgres_session import Connection, query
from headrace.errors import ConfigInvalid
from headrace.protocol import Role
from headrace.suggestions import did_you_mean


def missing_schemas(connection: Connection, schemas: Sequence[str]) -> list[str]:
    known = [name for (name,) in query(connection, "select nspname::text from pg_namespace")]
    return [schema for schema in schemas if schema not in known]


def absence(connection: Connection, schema: str) -> str:
    """That the schema is not there, and which one may be meant."""
    (database,) = query(connection, "select current_database()::text")[0]
    known = [name for (name,) in query(connection, "select nspname::text from pg_namespace where nspname !~ '^pg_'")]
    return f"Schema {schema} does not exist in database {database}.{did_you_mean(schema, known)}"


def why_not_made(connection: Connection) -> str | None:
    """What keeps us from making a schema here, and the remedy; None when nothing does."""
    user, database, may_make, is_replica = query(
        connection,
        "select current_user::text, current_database()::text, "
        "has_database_privilege(current_database(), 'create'), pg_is_in_recovery()",
    )[0]
    if is_replica:
        return "A sink could not make it, for the server is a replica. Use the primary."
    if may_make:
        return None
    return (
        f"A sink could not make it, for user {user} may not create schemas. Create it, or grant create on database "
        f"{database} to {user}."
    )


def refuse_missing(connection: Connection, schemas: Sequence[str], role: Role | None) -> None:
    """Raises ``ConfigInvalid`` for the first schema that is not there."""
    for schema in missing_schemas(connection, schemas) if schemas else ():
        raise ConfigInvalid(f"{absence(connection, schema)} Correct schemas.", role=role, details={"field": "schemas"})
