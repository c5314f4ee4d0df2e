"""The private table where a slice's rows wait for their commit, and the statements that move them on.

It is unlogged and loaded by COPY from Arrow; nobody reads it. Its columns are
``c0``, ``c1``, … and ``r``, which counts rows in the order they came, so that the
last of several rows with one key wins.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import uuid
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

import psycopg
import pyarrow as pa

from headrace.endpoints.sinks.postgres_columns import OPERATION, StoredColumn, normalised, rejected, sent_schema
from headrace.endpoints.sinks.postgres_encoding import encoded
from headrace.endpoints.sinks.postgres_ledger import BEGIN
from headrace.endpoints.sinks.postgres_table import Table, TableColumn
from headrace.endpoints.systems.postgres_errors import sqlstate
from headrace.endpoints.systems.postgres_session import (
    Connection,
    query,
    quote_identifier,
    quote_literal,
    quote_qualified,
    run,
    run_unseen,
    transaction,
)
from headrace.errors import Bug, EndpointUnreachable
from headrace.staging import DEFAULT_BATCH_BYTES, RecordReader


@dataclass(slots=True)
class Stage:
    table: Table
    columns: tuple[StoredColumn, ...]
    rows: int = 0
    bytes: int = 0
    is_gone: bool = False
    """Dropped by a transaction that has committed."""

    def create(self, connection: Connection) -> None:
        run(connection, f"create unlogged table {self.table.sql} ({', '.join(self.declared())})")

    def declared(self) -> list[str]:
        columns = [f"c{index} {column.stage_type}" for index, column in enumerate(self.columns)]
        return [*columns, "r bigint generated always as identity"]

    @property
    def copying(self) -> str:
        """The statement that takes its rows as binary COPY."""
        return f"copy {self.table.sql} ({', '.join(sent_schema(self.columns).names)}) from stdin (format binary)"

    def arrive(self, connection: Connection) -> None:
        """First of all in the transaction that moves the rows on. Those of a table that was made before are there."""

    @contextlib.contextmanager
    def made(self, connection: Connection) -> Generator[None]:
        """Make the table for a COPY that has let go of it when the block ends; it is gone when the block raises."""
        self.create(connection)
        try:
            yield
        except BaseException:
            if not connection.closed and not connection.broken:
                self.drop(connection)
            raise

    def load(self, connection: Connection, reader: RecordReader) -> None:
        """COPY every staged row. Raises what psycopg or the reader raised."""
        try:
            with connection.cursor() as cursor, cursor.copy(self.copying.encode()) as copy:
                for block in encoded(sent_schema(self.columns), self._counted(reader)):
                    copy.write(block)
        except psycopg.Error as error:
            raise self._explained(error) from None

    def drop(self, connection: Connection) -> None:
        if not self.is_gone:
            run_unseen(connection, f"drop table if exists {self.table.sql}")

    def check(
        self, connection: Connection, expected: int, present: Mapping[str, TableColumn], key: Sequence[str]
    ) -> int:
        """Compare what is there with what was sealed: an unlogged table is empty after a crash of the server.

        Returns how many rows say that a row was deleted. Raises ``RowRejected`` for
        one that the target would cut, or that no other could ever take the place of,
        and ``EndpointUnreachable`` when there was such a crash.
        """
        wrong = self._wrong(present, key)
        operation = self._place(OPERATION)
        deletes = "false" if operation is None else f"{operation} = 1"
        counts = ", ".join(f"count(*) filter (where {test})" for test in (deletes, *(test for test, *_ in wrong)))
        (found, deleted, *failures), *_ = query(connection, f"select count(*), {counts} from {self.table.sql}")
        if found == 0 < expected:
            why = "the server broke down, or another took its place. Start the unit again."
            raise EndpointUnreachable(f"{expected} rows that waited in {self.table} are gone: {why}", role="sink")
        if found != expected:
            raise Bug(f"{expected} rows were sealed and {found} arrived in the stage table.", role="sink")
        for rows, (_, column, why) in zip(failures, wrong, strict=True):
            if rows:
                raise rejected(column, f"{why} in {rows} rows")
        return int(deleted)

    def has_deleted(self, connection: Connection) -> bool:
        """Whether a row says that one of the target was deleted."""
        place = self._place(OPERATION)
        return place is not None and bool(query(connection, f"select from {self.table.sql} where {place} = 1 limit 1"))

    def misfits(
        self, connection: Connection, present: Mapping[str, TableColumn], key: Sequence[str], most: int
    ) -> list[tuple[int, str, str]]:
        """What ``check`` would refuse: ``r`` of the row, the column, and why. At most one more than ``most``."""
        found: dict[int, tuple[str, str]] = {}
        for test, column, why in self._wrong(present, key):
            rows = query(connection, f"select r from {self.table.sql} where {test} order by r limit $1", [most + 1])
            for (row,) in rows:
                found.setdefault(row, (column, why))
        return [(row, *said) for row, said in sorted(found.items())]

    def remove(self, connection: Connection, rows: Sequence[int]) -> None:
        run(connection, f"delete from {self.table.sql} where r = any($1)", [list(rows)])

    def find_rows_quickly(self, connection: Connection) -> None:
        """Chosen by ``r``, a few of many rows are neither looked for in all of them nor sorted first."""
        run(connection, f"create index on {self.table.sql} (r)")
        run(connection, f"analyze {self.table.sql} (r)")

    def span(self, connection: Connection) -> tuple[int, int, int]:
        """The first and the last ``r``, and how many rows there are."""
        (first, last, rows), *_ = query(
            connection, f"select coalesce(min(r), 1), coalesce(max(r), 0), count(*) from {self.table.sql}"
        )
        return first, last, rows

    def _wrong(self, present: Mapping[str, TableColumn], key: Sequence[str]) -> list[tuple[str, str, str]]:
        nulls = [(f"{self._place(name)} is null", name, "is NULL, and rows are merged by it,") for name in key]
        return [*self._wrong_operations(), *self._too_long(present), *nulls]

    def _wrong_operations(self) -> list[tuple[str, str, str]]:
        place = self._place(OPERATION)
        why = "is neither 0 (a row) nor 1 (a row that was deleted)"
        return [] if place is None else [(f"({place} in (0, 1)) is not true", OPERATION, why)]

    def _too_long(self, present: Mapping[str, TableColumn]) -> Iterator[tuple[str, str, str]]:
        """Blanks beyond a column's length would be cut, missing ones added, and moments rounded, without a word."""
        for place, column in self._data():
            declared = present[column.name].declared if column.name in present else ""
            limit = re.fullmatch(r"character( varying)?\((\d+)\)", declared)
            if limit is not None and column.stage_type == "text":
                is_wrong, how = (">", "is longer than") if limit[1] else ("<>", "is longer or shorter than")
                yield f"char_length({place}) {is_wrong} {limit[2]}", column.name, f"{how} {declared}"
            elif column.stage_type.startswith("time") and declared != column.stage_type and "(" in declared:
                kept = f"{place}::{column.target_type}"
                yield f"{kept} is distinct from {place}::{declared}", column.name, f"is more precise than {declared}"

    def append_to(
        self,
        connection: Connection,
        table: Table,
        present: Mapping[str, TableColumn],
        among: str = "true",
        *,
        is_followed: bool = False,
    ) -> int:
        """How many rows the table took. ``among`` chooses rows by ``r``, as it does below.

        One that is followed leaves behind how far it came, for ``stopped_at``.
        """
        data = self._data()
        names = ", ".join(quote_identifier(column.name) for _, column in data)
        values = ", ".join(_value(place, column, present) for place, column in data)
        chosen = f"{self.table.sql} where {among} order by r"
        if is_followed:  # one by one, behind the sorting, for which there is an offset
            chosen = f"(select * from {chosen} offset 0) s where setval((select {self._counter()}), r) > 0"
        return run(connection, f"insert into {table.sql} ({names}) select {values} from {chosen}")

    def stopped_at(self, connection: Connection) -> int:
        """The ``r`` of the row that the last followed statement came to: no rollback takes a sequence back."""
        ((r,),) = query(connection, f"select coalesce(pg_sequence_last_value({self._counter()}), 0)")
        return int(r)

    def merge_into(
        self,
        connection: Connection,
        table: Table,
        present: Mapping[str, TableColumn],
        key: Sequence[str],
        among: str = "true",
    ) -> int:
        """Delete and upsert by key; of rows with one key the last counts. Keys are compared as the target does.

        Returns how many rows were inserted or updated.
        """
        operation, by_name = self._place(OPERATION), self._by_name(present)
        latest = self._latest(by_name, key, among)
        if operation is not None:
            same = " and ".join(f"t.{quote_identifier(name)} = {by_name[name]}" for name in key)
            run(connection, f"delete from {table.sql} t using ({latest}) s where s.{operation} = 1 and {same}")
        names = ", ".join(quote_identifier(name) for name in by_name)
        changes = [f"{quote_identifier(n)} = excluded.{quote_identifier(n)}" for n in by_name if n not in key]
        action = f"do update set {', '.join(changes)}" if changes else "do nothing"
        kept = "" if operation is None else f"where s.{operation} = 0"
        return run(
            connection,
            f"insert into {table.sql} ({names}) select {', '.join(by_name.values())} from ({latest}) s {kept} "
            f"on conflict ({', '.join(map(quote_identifier, key))}) {action}",
        )

    def missing_from(
        self, connection: Connection, table: Table, present: Mapping[str, TableColumn], key: Sequence[str]
    ) -> tuple[int, int]:
        """Of the rows that were merged, how many the table has not by their keys; and how many there were."""
        operation, by_name = self._place(OPERATION), self._by_name(present)
        same = " and ".join(f"t.{quote_identifier(name)} = {by_name[name]}" for name in key)
        kept = "" if operation is None else f"where s.{operation} = 0"
        (missing, rows), *_ = query(
            connection,
            f"select count(*) filter (where not exists (select from {table.sql} t where {same})), count(*) "
            f"from ({self._latest(by_name, key, 'true')}) s {kept}",
        )
        return int(missing), int(rows)

    def _by_name(self, present: Mapping[str, TableColumn]) -> Mapping[str, str]:
        """The value of each column as the target takes it, of a staged row ``s``."""
        return {column.name: _value(f"s.{place}", column, present) for place, column in self._data()}

    def _latest(self, by_name: Mapping[str, str], key: Sequence[str], among: str) -> str:
        keys = ", ".join(by_name[name] for name in key)
        return f"select distinct on ({keys}) s.* from {self.table.sql} s where {among} order by {keys}, s.r desc"

    def _explained(self, error: psycopg.Error) -> Exception:
        """The failure of COPY, by column where the server names one: text it cannot hold, above all."""
        found = re.search(r"column c(\d+)", error.diag.context or "")
        if found is None or (sqlstate(error) or "")[:2] != "22":
            return error
        column = self.columns[int(found[1])]
        return rejected(column.name, f"has a value that {column.stage_type} cannot hold ({sqlstate(error)})")

    def _counter(self) -> str:
        """That of ``r``, which counts no more once the rows are there."""
        return f"pg_get_serial_sequence({quote_literal(self.table.sql)}, 'r')::regclass"

    def _data(self) -> list[tuple[str, StoredColumn]]:
        return [(f"c{index}", column) for index, column in enumerate(self.columns) if column.name != OPERATION]

    def _place(self, name: str) -> str | None:
        return next((f"c{index}" for index, column in enumerate(self.columns) if column.name == name), None)

    def _counted(self, reader: RecordReader) -> Iterator[pa.RecordBatch]:
        for batch in reader.iter_arrow(DEFAULT_BATCH_BYTES):
            self.rows += batch.num_rows
            self.bytes += batch.nbytes
            yield normalised(batch, self.columns)


def stage_for(schema: str, unit: str, epoch: int, seq: int, columns: tuple[StoredColumn, ...]) -> Stage:
    return Stage(Table(schema, f"{_prefix(unit)}{epoch}_{seq}_{uuid.uuid4().hex[:8]}"), columns)


def drop_leftovers(connection: Connection, schema: str, unit: str, epoch: int) -> None:
    """Remove the stage tables that dead owners of the unit left behind."""
    prefix = _prefix(unit)
    rows = query(
        connection,
        "select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "where n.nspname = $1 and c.relkind = 'r' and starts_with(c.relname::text, $2)",
        [schema, prefix],
    )
    for (name,) in rows:
        if int(name.removeprefix(prefix).partition("_")[0]) < epoch:
            _drop_unless_in_use(connection, quote_qualified(schema, name))


def _drop_unless_in_use(connection: Connection, name: str) -> None:
    """One that a frozen owner is still loading would be waited for until it wakes; it can stay."""
    in_use = contextlib.suppress(psycopg.errors.LockNotAvailable, psycopg.errors.UndefinedTable)
    with in_use, transaction(connection, BEGIN):
        run(connection, f"lock table {name} in access exclusive mode nowait")
        run(connection, f"drop table {name}")


def _prefix(unit: str) -> str:
    return f"_hr_stage_{hashlib.sha256(unit.encode()).hexdigest()[:12]}_"


def _value(place: str, column: StoredColumn, present: Mapping[str, TableColumn]) -> str:
    """Text becomes the target's type by a cast that fails rather than changes; other types widen by assignment."""
    declared = present[column.name].declared if column.name in present else column.target_type
    if column.target_type == "uuid" and column.stage_type == "bytea":
        place = f"encode({place}, 'hex')::uuid"
    is_text = column.stage_type in ("text", "text[]")
    is_kept = declared.startswith(("text", "character"))
    return f"{place}::{declared}" if is_text and not is_kept else place
