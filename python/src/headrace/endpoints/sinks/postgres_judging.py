"""Which rows of a staged slice PostgreSQL would refuse, found without leaving a trace.

Values that no column can hold are seen in Arrow. What the table itself refuses
is tried in a transaction that is rolled back. Rows that fail are tried in parts,
divided at the row where the server stopped, or else in the middle, so good rows
go in large groups; a row that fails alone is refused. Rules of the table are
left to it: constraints, triggers, types and their text.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from headrace.endpoint import Target
from headrace.endpoints.sinks.postgres_columns import StoredColumn, normalised, rejected
from headrace.endpoints.sinks.postgres_ledger import BEGIN
from headrace.endpoints.sinks.postgres_replaced import Replaced
from headrace.endpoints.sinks.postgres_stage import Stage
from headrace.endpoints.sinks.postgres_table import Table, TableColumn, columns_of
from headrace.endpoints.systems.postgres_errors import sqlstate, translated
from headrace.endpoints.systems.postgres_session import Connection, run, run_unseen
from headrace.parting import parted, without
from headrace.refusals import RefusalCode, RefusedRow
from headrace.sifting import position_before
from headrace.staging import DEFAULT_BATCH_BYTES, NativeBlock, NativeFile, RecordReader, Row

Apply = Callable[[str, bool], None]
"""Stores the staged rows that a condition on ``r`` chooses, and is followed while it does or not."""

_CODES: Mapping[str, RefusalCode] = {
    "22": "UNSTORABLE", "23": "CONSTRAINT", "44": "CONSTRAINT", "P0": "CONSTRAINT", "54": "TOO_LARGE",
}  # fmt: skip
"""By class of the server's code: failures that another row in its place would not have met."""

_ROUNDS = 3


class JudgingReader:
    """Gives the rows whose values PostgreSQL has types for, and notes the others, up to one too many. Read once."""

    def __init__(self, reader: RecordReader, columns: Sequence[StoredColumn], most: int) -> None:
        self._reader = reader
        self._columns = columns
        self.most = most
        self.refused: list[RefusedRow] = []

    @property
    def schema(self) -> pa.Schema | None:
        return self._reader.schema

    def iter_arrow(self, max_bytes: int = DEFAULT_BATCH_BYTES) -> Iterator[pa.RecordBatch]:
        first = 0
        for batch in self._reader.iter_arrow(max_bytes):
            found = parted(batch, self._storable, self.most - len(self.refused)).refused
            self.refused += [
                _refused(first + at, "UNSTORABLE", refusal.message, str(refusal.details.get("column", "")))
                for at, refusal in found
            ]
            if len(self.refused) > self.most:  # the rest of the batch was not looked at
                return
            first += batch.num_rows
            yield without(batch, [at for at, _ in found])

    def iter_batches(self, chunk_size: int) -> Iterator[Sequence[Row]]:
        return self._reader.iter_batches(chunk_size)

    def iter_native(self) -> Iterator[NativeBlock]:
        return self._reader.iter_native()

    def native_file(self) -> NativeFile | None:
        return self._reader.native_file()

    def _storable(self, batch: pa.RecordBatch) -> None:
        """Raises ``RowRejected`` for what COPY would not take."""
        for array, column in zip(normalised(batch, self._columns).columns, self._columns, strict=True):
            _require_text(array, column)


def _require_text(array: Any, column: StoredColumn) -> None:
    if pa.types.is_list(array.type):
        _require_text(array.flatten(), column)
    elif pa.types.is_string(array.type):
        try:
            array.validate(full=True)
        except pa.ArrowInvalid:
            raise rejected(column.name, "has text that is no UTF-8") from None
        if pc.any(pc.match_substring(array, "\0")).as_py():
            raise rejected(column.name, "has text with a NUL character, which PostgreSQL cannot hold")


@dataclass(slots=True)
class Trial:
    """One attempt at all staged rows in a transaction that is rolled back."""

    connection: Connection
    begin: Callable[[], None]
    """What comes first in the transaction."""
    apply: Apply
    where: str
    most: int
    stopped_at: Callable[[], int] | None = None
    """The last row of those that were followed; None where they come in another order than that of ``r``."""
    refused: dict[int, psycopg.Error] = field(default_factory=dict[int, psycopg.Error])

    def run(self, stage: Stage) -> None:
        """Find the rows without which all others go in together. Ends early with more than ``most`` of them."""
        for attempt in range(_ROUNDS):
            if self._is_taken_whole(stage) or len(self.refused) > self.most:
                return
            if attempt == 0:
                stage.find_rows_quickly(self.connection)
            with _undone(self.connection):
                self.begin()
                run(self.connection, "savepoint tried")
                self._search(*stage.span(self.connection)[:2])
                self._see_deferred(stage)
                self._reconsider()

    def _is_taken_whole(self, stage: Stage) -> bool:
        """The one attempt there is where nothing is refused, and the proof where something was."""
        first, last, _ = stage.span(self.connection)
        with _undone(self.connection):
            self.begin()
            run(self.connection, "savepoint tried")
            error = self._attempt(lambda: self.apply(self.among(first, last), False))
            return error is None and self._attempt("set constraints all immediate") is None

    def _see_deferred(self, stage: Stage) -> None:
        """Constraints that wait for the end of a transaction name no row then; tried again, they do so at once."""
        if self._attempt("set constraints all immediate") is None:
            return
        run(self.connection, "rollback to savepoint begun")
        self.begin()
        run(self.connection, "set constraints all immediate")
        run(self.connection, "savepoint tried")
        self._search(*stage.span(self.connection)[:2])

    def _search(self, first: int, last: int) -> None:
        waiting = [(first, last)]
        while waiting and len(self.refused) <= self.most:
            low, high = waiting.pop()
            if low > high or len(self._refused_among(low, high)) == high - low + 1:
                continue
            error = self._attempt(lambda low=low, high=high: self.apply(self.among(low, high), low < high))
            if error is None:
                continue
            if low == high:
                self.refused[low] = error
                continue
            waiting += reversed(self._parts(low, high))

    def _parts(self, low: int, high: int) -> list[tuple[int, int]]:
        """Of rows that failed together. The row where the server stopped is tried for itself, after those before it.

        What fails behind the last row, such as a foreign key, names none.
        """
        stopped = high if self.stopped_at is None else self.stopped_at()
        if low <= stopped < high:
            return [(low, stopped - 1), (stopped, stopped), (stopped + 1, high)]
        middle = (low + high) // 2
        return [(low, middle), (middle + 1, high)]

    def _reconsider(self) -> None:
        """A row that another was waiting for may have come after it."""
        is_settled = len(self.refused) > self.most
        while not is_settled:
            found = [
                row for row in self.refused if self._attempt(lambda row=row: self.apply(f"r = {row}", False)) is None
            ]
            for row in found:
                del self.refused[row]
            is_settled = not found

    def among(self, low: int, high: int) -> str:
        """SQL that is true for the rows from ``low`` to ``high`` that are not refused, and as long as it has to be."""
        gone = ", ".join(map(str, self._refused_among(low, high)))
        return f"r between {low} and {high}" + (f" and r not in ({gone})" if gone else "")

    def _refused_among(self, low: int, high: int) -> list[int]:
        """The shorter of the two is gone through, for this is asked twice for every row that is refused."""
        if high - low < len(self.refused):
            return [row for row in range(low, high + 1) if row in self.refused]
        return sorted(row for row in self.refused if low <= row <= high)

    def _attempt(self, what: str | Callable[[], None]) -> psycopg.Error | None:
        """Between two savepoints, of which the first is there."""
        try:
            if isinstance(what, str):
                run(self.connection, what)
            else:
                what()
        except psycopg.Error as error:
            if (sqlstate(error) or "")[:2] not in _CODES:
                raise
            run(self.connection, "rollback to savepoint tried")
            return error
        run_unseen(self.connection, "release savepoint tried; savepoint tried")
        return None


@dataclass(frozen=True, slots=True)
class Judged:
    """The rows of a slice that passed, waiting in the stage for their commit."""

    seq: int
    stage: Stage


def judged_rows(
    connection: Connection, stage: Stage, loaded: JudgingReader, target: Target, table: Table, place: Table
) -> list[RefusedRow]:
    """The rows that ``place`` would refuse; ``loaded`` has filled the stage, and they are not in it any more."""
    gone = [row.position for row in loaded.refused]
    by_table = _refused_by_table(connection, stage, target, table, place, loaded.most - len(gone))
    found = [replace(row, position=position_before(row.position, gone)) for row in by_table]
    return sorted([*loaded.refused, *found], key=lambda row: row.position)


def _refused_by_table(
    connection: Connection, stage: Stage, target: Target, table: Table, place: Table, most: int
) -> list[RefusedRow]:
    """By ``r``, counted from 0."""
    present = columns_of(connection, place)
    if present is None or most < 0:
        return []
    key = target.primary_key if target.disposition == "merge" else ()
    unfit = stage.misfits(connection, present, key, most)
    stage.remove(connection, [row for row, *_ in unfit])
    found = [
        _refused(row - 1, "CONSTRAINT" if column in key else "UNSTORABLE", f"Column {column} {why}.", column)
        for row, column, why in unfit
    ]
    if len(found) > most:
        return found
    replaced = Replaced.of(connection, table, place)
    trial = _trial(connection, stage, present, place, key, replaced, most - len(found))
    trial.run(stage)
    stage.remove(connection, list(trial.refused))
    return found + [_by_table(row - 1, error, trial.where) for row, error in trial.refused.items()]


def _trial(
    connection: Connection,
    stage: Stage,
    present: Mapping[str, TableColumn],
    place: Table,
    key: Sequence[str],
    replaced: Replaced,
    most: int,
) -> Trial:
    def apply(among: str, is_followed: bool) -> None:
        if key:
            stage.merge_into(connection, place, present, key, among)
        else:
            stage.append_to(connection, place, present, among, is_followed=is_followed)
        replaced.take(connection, stage, present, among, is_followed=is_followed)

    def stopped_at() -> int:
        return stage.stopped_at(connection)

    begin, where = lambda: replaced.imitate(connection, present), str(replaced.table)
    return Trial(connection, begin, apply, where, most, stopped_at=None if key else stopped_at)


def _by_table(position: int, error: psycopg.Error, where: str) -> RefusedRow:
    said = translated(error, role="sink", where=where)
    constraint, column = error.diag.constraint_name, error.diag.column_name
    rule = f" The constraint is {constraint}." if constraint and constraint not in said.message else ""
    return _refused(position, _CODES[(sqlstate(error) or "")[:2]], said.message + rule, column or "")


def _refused(position: int, code: RefusalCode, reason: str, column: str) -> RefusedRow:
    return RefusedRow(position=position, code=code, reason=reason, column=column or None)


@contextlib.contextmanager
def _undone(connection: Connection) -> Generator[None]:
    """A transaction that leaves nothing, whatever happens in it."""
    run(connection, BEGIN)
    try:
        run(connection, "savepoint begun")
        yield
    finally:
        if not connection.closed and not connection.broken:
            connection.rollback()
