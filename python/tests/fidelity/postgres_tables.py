"""PostgreSQL in the matrix: a table with a column for each case of the corpus, and what a run left in another."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

from fidelity.contract import KEY, Found
from fidelity.meanings import of_postgres
from fidelity.telling import Told, by_postgres
from postgres_server import PostgresServer, postgres_server
from postgres_values import AROUND, CASES, REFUSED, Case, quoted

from headrace.endpoint import SourceCapabilities
from headrace.endpoints.sinks.postgres import PostgresSink
from headrace.endpoints.sources.postgres import PostgresSource

DATABASE = "fidelity"
_schemas = itertools.count(1)


class PostgresOrigin:
    """A column for each case, and for each value that is refused. Small slices, so that there are several."""

    policy: Mapping[str, Any] = {"targetSliceSize": 4}
    table = "everything"
    cases: Sequence[Case] = CASES
    refused: Sequence[tuple[str, str]] = REFUSED

    def __init__(self) -> None:
        self.unit_id = f"public.{self.table}"
        self.server = _server()
        values = {case.declared: (case.declared, case.values) for case in self.cases}
        values |= {f"{declared} = {value}": (declared, [value]) for declared, value in self.refused}
        columns = ", ".join(f"{quoted(name)} {declared}" for name, (declared, _) in values.items())
        rows = max(len(each) for _, each in values.values()) + 1
        with self.server.connect(DATABASE) as connection:
            connection.execute(f"create table {self.table} (id int primary key, {columns})".encode())
            for number in range(rows):
                row = ", ".join(each[number] if number < len(each) else "null" for _, each in values.values())
                connection.execute(f"insert into {self.table} values ({number}, {row})".encode())
        self._types = _declared(self.server, "public", self.table)

    @classmethod
    @functools.cache
    def made(cls) -> Self:
        """The one there is: its table is made once."""
        return cls()

    def columns(self) -> Mapping[str, str]:
        return {name: of_postgres(declared) for name, declared in self._types.items() if name != KEY}

    def told(self, columns: Sequence[str]) -> Mapping[str, Told]:
        return _told(self.server, "public", self.table, {name: self._types[name] for name in columns})

    def open(self, columns: Sequence[str]) -> PostgresSource:
        return PostgresSource(self.server.parameters(DATABASE))


class DuckDBOrigin(PostgresOrigin):
    """The columns that DuckDB writes as Parquet by itself, in rows that are not too wide for it."""

    table = "for_duckdb"
    refused = ()
    cases: Sequence[Case] = tuple(
        replace(case, values=[value for value in case.values if "repeat" not in value])
        for case in CASES
        if not case.declared.endswith("[]") and case.declared != "numeric(76,10)"
    )


class AdoptedOrigin(DuckDBOrigin):
    """Of these, those whose files an Iceberg table takes over as they are."""

    table = "for_iceberg"
    cases: Sequence[Case] = tuple(case for case in DuckDBOrigin.cases if case.declared != "smallint")


class AsArrowOrigin(PostgresOrigin):
    """Read by a source that offers no format of its own."""

    table = "as_arrow"
    refused = ()

    def open(self, columns: Sequence[str]) -> PostgresSource:
        return _ArrowSource(self.server.parameters(DATABASE))


class _ArrowSource(PostgresSource):
    def capabilities(self) -> SourceCapabilities:
        return replace(super().capabilities(), native_formats=())


@functools.cache
def _server() -> PostgresServer:
    server = postgres_server()
    server.database(*AROUND, name=DATABASE)
    return server


class PostgresPlace:
    """A schema of its own. Readers sign in as themselves and ask the catalogue."""

    def __init__(self) -> None:
        self.schema = f"place_{next(_schemas)}"
        self.server = _server()

    def open(self) -> PostgresSink:
        return PostgresSink(self.server.parameters(DATABASE, schemas=self.schema))

    def found(self) -> Mapping[str, Found]:
        ((table,),) = self.server.rows(
            DATABASE,
            "select relname::text from pg_class where relkind = 'r' and relname !~ '^_h' "
            f"and relnamespace = '{self.schema}'::regnamespace",
        )
        declared = _declared(self.server, self.schema, table)
        values = _told(self.server, self.schema, table, declared)
        return {name: Found(kind, of_postgres(kind), values[name]) for name, kind in declared.items()}

    def writers(self) -> set[str]:
        return set()


def _declared(server: PostgresServer, schema: str, table: str) -> Mapping[str, str]:
    """The type of each column, of a domain its base."""
    return dict(
        server.rows(
            DATABASE,
            "select attname::text, case when typtype = 'd' then format_type(typbasetype, typtypmod) "
            "else format_type(atttypid, atttypmod) end "
            "from pg_attribute join pg_type t on t.oid = atttypid "
            f"where attrelid = '{schema}.{quoted(table)}'::regclass and attnum > 0 order by attnum",
        )
    )


def _told(server: PostgresServer, schema: str, table: str, declared: Mapping[str, str]) -> Mapping[str, Told]:
    expressions = [by_postgres(quoted(name), kind) for name, kind in declared.items()]
    with server.connect(DATABASE) as connection:
        connection.execute("set intervalstyle = iso_8601")
        query = f"select {', '.join(expressions)} from {schema}.{quoted(table)} order by {KEY}::text::int8"
        columns = list(zip(*connection.execute(query.encode()).fetchall(), strict=True))
    return {name: list(values) for name, values in zip(declared, columns, strict=True)}
