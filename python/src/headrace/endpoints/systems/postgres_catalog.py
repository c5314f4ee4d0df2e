"""What PostgreSQL's catalogue says of tables and views.

A unit id is ``schema.table`` as the catalogue spells both. Ids are resolved by
look-up, never by parsing, so names with dots, spaces or quotes are found too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headrace.endpoints.systems.postgres_schemas import refuse_missing
from headrace.endpoints.systems.postgres_session import Connection, Question, pipelined, query
from headrace.errors import ConfigInvalid, PermissionDenied, UnitNotFound
from headrace.protocol import Role
from headrace.suggestions import did_you_mean, nearest

KINDS = {"r": "table", "p": "table", "f": "foreign table", "v": "view", "m": "materialized view"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogColumn:
    name: str
    shown: str
    """The type as declared, such as ``numeric(15,2)``."""
    nullable: bool
    type_name: str
    """Name in ``pg_type`` below any domain; empty unless PostgreSQL itself brought it."""
    element: str
    """The same of an array's elements; empty for what is no array."""
    is_array: bool
    modifier: int
    is_enum: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    columns: tuple[str, ...]
    target_schema: str
    target_table: str
    target_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    oid: int
    schema: str
    name: str
    kind: str
    """One of the keys of ``KINDS``."""
    estimated_rows: int | None
    pages: int
    is_populated: bool
    """False for a materialized view that was never filled."""
    is_lockable: bool
    has_pages: bool
    """By which the user may read it: who may not read every column may not ask for pages."""
    is_readable: bool
    """Whether the user may read any of it."""
    is_row_secured: bool
    """Whether policies decide which of its rows the user sees."""
    shape: str
    """Another one as soon as columns, indexes or children changed."""
    columns: tuple[CatalogColumn, ...]
    primary_key: tuple[str, ...]
    unique_key: tuple[str, ...]
    """The primary key, else columns of a unique index that cannot be NULL; empty when rows have no name.

    No key of a table that others inherit from holds for their rows, which are read with its own.
    """
    foreign_keys: tuple[ForeignKey, ...]

    @property
    def unit_id(self) -> str:
        return f"{self.schema}.{self.name}"

    def column(self, name: str) -> CatalogColumn | None:
        return next((column for column in self.columns if column.name == name), None)


SHAPE = """concat_ws(' ', c.xmin,
  (select string_agg(concat(a.attnum, ':', a.xmin), ',' order by a.attnum) from pg_attribute a
   where a.attrelid = c.oid),
  (select string_agg(concat(i.indexrelid, ':', i.xmin), ',' order by i.indexrelid) from pg_index i
   where i.indrelid = c.oid),
  (select count(*) from pg_inherits h where h.inhparent = c.oid))"""
"""Changes whenever a column or an index of ``c`` does: which versions of the catalogue's rows describe it."""

_IS_READABLE = "(has_schema_privilege(n.oid, 'usage') and has_any_column_privilege(c.oid, 'select'))"

_RELATIONS = f"""
select c.oid::int8, n.nspname::text, c.relname::text, c.relkind::text,
  case when c.reltuples >= 0 then c.reltuples::int8 end,
  (with recursive heap(oid) as (
     select c.oid union all select i.inhrelid from heap join pg_inherits i on i.inhparent = heap.oid)
   select coalesce(max(pg_relation_size(heap.oid)), 0) / current_setting('block_size')::int8
   from heap join pg_class part on part.oid = heap.oid where part.relkind in ('r', 'm'))::int8,
  c.relispopulated, c.relkind in ('r', 'p') and has_table_privilege(c.oid, 'select'),
  c.relkind in ('r', 'p', 'm') and has_table_privilege(c.oid, 'select'), {_IS_READABLE},
  row_security_active(c.oid), {SHAPE}
"""

_SHOWN = """
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'f', 'v', 'm') and not c.relispartition
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and c.relname !~ '^(_hr_|_headrace_g[0-9])'
"""

_READABLE = f"""
  and {_IS_READABLE}
  and (cardinality($1::text[]) = 0 or n.nspname = any($1::text[]))
"""

_NAMED = """
  and (n.nspname, c.relname) in (select * from unnest($1::text[], $2::text[]))
  and (cardinality($3::text[]) = 0 or n.nspname = any($3::text[]))
"""

_NEVER_NULL = """(a.attnotnull and not exists (select from pg_constraint v where v.conrelid = a.attrelid
  and v.contype = 'n' and v.conkey = array[a.attnum] and not v.convalidated))"""
"""A constraint that was never validated holds for new rows only."""

_COLUMNS = f"""
with recursive resolved as (
  select a.attrelid, a.attnum, a.attname, c.relkind in ('r', 'p') and {_NEVER_NULL} as is_filled, a.atttypid as type,
    a.atttypmod as typmod, format_type(a.atttypid, a.atttypmod) as shown
  from pg_attribute a join pg_class c on c.oid = a.attrelid
  where a.attrelid = any({{oids}}) and a.attnum > 0 and not a.attisdropped
  union all
  select r.attrelid, r.attnum, r.attname, r.is_filled, t.typbasetype,
    case when r.typmod = -1 then t.typtypmod else r.typmod end, r.shown
  from resolved r join pg_type t on t.oid = r.type where t.typtype = 'd')
select r.attrelid::int8, r.attname::text, r.shown, not r.is_filled,
  case when t.typnamespace = 'pg_catalog'::regnamespace then t.typname::text else '' end,
  case when e.typnamespace = 'pg_catalog'::regnamespace then e.typname::text else '' end,
  e.oid is not null, r.typmod, t.typtype = 'e'
from resolved r join pg_type t on t.oid = r.type
  left join pg_type e on e.oid = t.typelem and t.typcategory = 'A'
where t.typtype <> 'd' order by r.attrelid, r.attnum
"""
"""Nobody checks a foreign table's NOT NULL, nor a domain's where no value is made: an outer join shows NULL as one."""

_KEYS = f"""
select i.indrelid::int8, i.indisprimary,
  (select array_agg(a.attname::text order by k.position)
    from unnest(i.indkey::int2[]) with ordinality k(attnum, position)
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum where k.position <= i.indnkeyatts)
from pg_index i
where i.indrelid = any({{oids}}) and i.indisunique and i.indisvalid and i.indimmediate
  and i.indpred is null and i.indexprs is null
  and not exists (select from unnest(i.indkey::int2[]) with ordinality k(attnum, position)
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
    where k.position <= i.indnkeyatts and not {_NEVER_NULL})
  and not exists (select from pg_inherits h join pg_class p on p.oid = h.inhparent
    where h.inhparent = i.indrelid and p.relkind = 'r')
order by i.indrelid, not i.indisprimary, i.indnkeyatts, i.indexrelid
"""

_FOREIGN_KEYS = """
select f.conrelid::int8, n.nspname::text, t.relname::text,
  (select array_agg(a.attname::text order by k.position) from unnest(f.conkey) with ordinality k(attnum, position)
    join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.attnum),
  (select array_agg(a.attname::text order by k.position) from unnest(f.confkey) with ordinality k(attnum, position)
    join pg_attribute a on a.attrelid = f.confrelid and a.attnum = k.attnum)
from pg_constraint f join pg_class t on t.oid = f.confrelid join pg_namespace n on n.oid = t.relnamespace
where f.contype = 'f' and f.conrelid = any({oids}) and not t.relispartition order by f.conrelid, f.conname
"""


def relations(connection: Connection, schemas: Sequence[str]) -> tuple[Relation, ...]:
    """Every table and view a user made and ours may read, in order of name; with ``schemas``, only theirs.

    Raises:
        ConfigInvalid: One of ``schemas`` is not there.
    """
    refuse_missing(connection, schemas, "source")
    return _completed(pipelined(connection, _asked(_READABLE, [list(schemas)])))


def relation(connection: Connection, unit_id: str, schemas: Sequence[str], role: Role | None) -> Relation:
    """The relation of a unit id.

    Raises:
        UnitNotFound: There is none, or not in ``schemas``; the message names near ones.
        ConfigInvalid: One of ``schemas`` is not there.
        PermissionDenied: The user may read none of it.
    """
    parts = unit_id.split(".")
    pairs = [(".".join(parts[:cut]), ".".join(parts[cut:])) for cut in range(1, len(parts))]
    values = [[schema for schema, _ in pairs], [name for _, name in pairs], list(schemas)]
    found = _completed(pipelined(connection, _asked(_NAMED, values)))
    if len(found) > 1:
        raise ConfigInvalid(f"Unit {unit_id} is the name of two tables, for their names hold dots.", role=role)
    if not found:
        refuse_missing(connection, schemas, role)
        known = query(connection, f"select n.nspname || '.' || c.relname {_SHOWN} and {_IS_READABLE}")
        near = _near(unit_id, [name for (name,) in known])
        within = f" in the schemas {', '.join(schemas)}" if schemas else ""
        raise UnitNotFound(
            f"There is no table or view {unit_id}{within}.{near or ' Look at the list of units.'}", role=role
        )
    if not found[0].is_readable:
        raise _closed(connection, found[0], role)
    return found[0]


def _near(unit_id: str, known: Sequence[str]) -> str:
    """Within a schema that is there tables are compared by their own names: a schema in common makes none alike."""
    schema = unit_id.partition(".")[0] + "."
    within = [name.removeprefix(schema) for name in known if name.startswith(schema)]
    near = [schema + name for name in nearest(unit_id.removeprefix(schema), within)]
    return (
        f" Did you mean {', '.join(near)}?"
        if near
        else did_you_mean(unit_id, set(known) - {schema + name for name in within})
    )


def _closed(connection: Connection, found: Relation, role: Role | None) -> PermissionDenied:
    (user, is_open), *_ = query(
        connection, "select current_user::text, has_schema_privilege($1, 'usage')", [found.schema]
    )
    right = "select on the table" if is_open else f"usage on schema {found.schema}, and select on the table"
    return PermissionDenied(
        f"{found.unit_id} is there, and user {user} may not read it. Grant {right}, or use another user or role.",
        role=role,
        details={"field": "username"},
    )


def _asked(which: str, values: Sequence[object]) -> list[Question]:
    """The relations first: a shape is never newer than the columns beside it."""
    oids = f"array(select c.oid {_SHOWN} {which})"
    parts = (_COLUMNS, _KEYS, _FOREIGN_KEYS)
    whole = f"{_RELATIONS} {_SHOWN} {which} order by 2, 3"
    return [(whole, values), *((part.format(oids=oids), values) for part in parts)]


def _completed(answers: Sequence[Sequence[tuple[Any, ...]]]) -> tuple[Relation, ...]:
    rows, named, keyed, foreign_keys = answers
    columns: dict[int, list[CatalogColumn]] = {}
    for oid, name, shown, nullable, type_name, element, is_array, modifier, is_enum in named:
        columns.setdefault(oid, []).append(
            CatalogColumn(
                name=name, shown=shown, nullable=nullable, type_name=type_name, element=element, is_array=is_array,
                modifier=modifier, is_enum=is_enum,
            )
        )  # fmt: skip
    primary: dict[int, tuple[str, ...]] = {}
    unique: dict[int, tuple[str, ...]] = {}
    for oid, is_primary, names in keyed:
        unique.setdefault(oid, tuple(names))
        if is_primary:
            primary[oid] = tuple(names)
    foreign: dict[int, list[ForeignKey]] = {}
    for oid, schema, table, names, targets in foreign_keys:
        foreign.setdefault(oid, []).append(
            ForeignKey(
                columns=tuple(names), target_schema=schema, target_table=table, target_columns=tuple(targets)
            )
        )  # fmt: skip
    return tuple(
        Relation(
            oid=oid, schema=schema, name=name, kind=kind, estimated_rows=estimate, pages=pages,
            is_populated=is_populated, is_lockable=is_lockable, has_pages=has_pages,
            is_readable=is_readable is not False, is_row_secured=is_row_secured, shape=shape,
            columns=tuple(columns.get(oid, ())), primary_key=primary.get(oid, ()), unique_key=unique.get(oid, ()),
            foreign_keys=tuple(foreign.get(oid, ())),
        )
        for oid, schema, name, kind, estimate, pages, is_populated, is_lockable, has_pages, is_readable,
        is_row_secured, shape in rows
    )  # fmt: skip


def identity(connection: Connection) -> str:
    """What tells this cluster and database from another of the same names, without the cluster where that is secret."""
    (database, is_told), *_ = query(
        connection,
        "select (select oid::text from pg_database where datname = current_database()), "
        "has_function_privilege('pg_control_system()', 'execute')",
    )
    system = query(connection, "select system_identifier::text from pg_control_system()")[0][0] if is_told else ""
    return f"{system}/{database}"
