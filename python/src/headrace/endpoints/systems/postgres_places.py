"""Which very table one is, however its server is called.

Servers have several names and addresses, so hosts and ports tell nothing. The
moment its process began tells a running server from every other, also from one
that was made from its files; a standby has one of its own, and is known by the
cluster that it follows.
"""

from __future__ import annotations

from headrace.endpoints.systems.postgres_session import Connection, query

_ASKED = """
select t::oid::int8, (select oid::int8 from pg_database where datname = current_database()),
  extract(epoch from pg_postmaster_start_time())::text, pg_is_in_recovery(),
  has_function_privilege('pg_control_system()', 'execute')
from (select to_regclass($1) as t) found
"""


def places(connection: Connection, table: str, *, is_target: bool) -> frozenset[str]:
    """Every name of a quoted ``table``; none when there is no such table.

    A target is called by its cluster too, and so is the source on a standby, which follows it.
    """
    (oid, database, since, is_standby, is_told), *_ = query(connection, _ASKED, [table])
    if oid is None:
        return frozenset()
    at = f"{place_prefix(oid)}{database}"
    names = {f"{at}/since {since}"}
    if is_told and (is_target or is_standby):
        ((cluster,),) = query(connection, "select system_identifier::text from pg_control_system()")
        names.add(f"{at}/of {cluster}")
    return frozenset(names)


def place_prefix(oid: int) -> str:
    """What the places of this table begin with, and of no table with another oid."""
    return f"postgresql/{oid}/"
