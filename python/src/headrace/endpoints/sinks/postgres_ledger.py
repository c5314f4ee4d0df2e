"""Fence, commit records and ownership, in tables of the schema the rows go to.

The fence is the last statement of a commit. A plain SELECT does not fence: only
an UPDATE waits for, or is waited for by, the owner that comes after.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from headrace.commit import record_hash
from headrace.endpoint import HighWater, Target
from headrace.endpoints.systems.postgres_errors import sqlstate
from headrace.endpoints.systems.postgres_session import (
    Connection,
    query,
    quote_identifier,
    quote_qualified,
    run,
    transaction,
)
from headrace.errors import CheckpointAheadOfSink, SinkFenced
from headrace.protocol import CommitRecord

FENCE, COMMIT, TARGET = "_hr_fence", "_hr_commit", "_hr_target"
CLOSING_SEQ = -1
"""``slice_seq`` of the record that says a generation's replacement is visible."""

_TABLES: Mapping[str, str] = {
    FENCE: "unit text primary key, epoch bigint not null",
    COMMIT: "unit text, generation bigint, slice_seq bigint, from_ckpt jsonb, to_ckpt jsonb, rows bigint, "
    "sha256 bytea, epoch bigint, prev_hash bytea, at timestamptz default clock_timestamp(), "
    "primary key (unit, generation, slice_seq)",
    TARGET: "target text primary key, unit text not null",
}
_ADDED: Sequence[tuple[str, str, str]] = (
    (COMMIT, "emptied", "boolean"), (TARGET, "table_oid", "bigint"), (TARGET, "ledger_oid", "bigint"),
)  # fmt: skip
"""Columns that tables of earlier versions lack; their rows have NULL there."""
_FIELDS = (
    "unit, generation, slice_seq, from_ckpt, to_ckpt, rows, encode(sha256, 'hex'), epoch, encode(prev_hash, 'hex')"
)


SETTINGS = """
select set_config('idle_in_transaction_session_timeout', '15s', true), set_config('synchronous_commit',
case when current_setting('synchronous_commit') in ('off', 'local', 'remote_write') then 'on'
else current_setting('synchronous_commit') end, true)
"""
BEGIN = f"begin; {SETTINGS}"
"""How a transaction of the sink begins: an owner that stands still in it does not keep its locks from the next one,
and what was answered is durable."""


@dataclass(frozen=True, slots=True)
class Ledger:
    connection: Connection
    schema: str

    def ensure(self) -> None:
        """Make the schema, the three tables and their columns where they are missing; safe when others do the same."""
        wanted = [(FENCE, "epoch"), *((table, column) for table, column, _ in _ADDED)]
        rows = query(
            self.connection,
            "select count(*) from unnest($1::text[], $2::text[]) wanted (name, part) "
            "join pg_attribute on attrelid = to_regclass(name) and attname = part and not attisdropped",
            [[self.sql(table) for table, _ in wanted], [column for _, column in wanted]],
        )
        if rows[0][0] == len(wanted):
            return
        with transaction(self.connection, BEGIN):
            lock_schema(self.connection, self.schema)
            if not query(self.connection, "select from pg_namespace where nspname = $1", [self.schema]):
                run(self.connection, f"create schema {quote_identifier(self.schema)}")
            for name, columns in _TABLES.items():
                run(self.connection, f"create table if not exists {quote_qualified(self.schema, name)} ({columns})")
            for name, column, kind in _ADDED:
                run(self.connection, f"alter table {self.sql(name)} add column if not exists {column} {kind}")

    def install_fence(self, unit: str, epoch: int) -> None:
        """Shut out every lower epoch. Waits for a commit that has already passed its own fence."""
        fence = self.sql(FENCE)
        with transaction(self.connection, BEGIN):
            installed = query(
                self.connection,
                f"insert into {fence} as f values ($1, $2) on conflict (unit) do update set epoch = excluded.epoch "
                "where f.epoch <= excluded.epoch returning epoch",
                [unit, epoch],
            )
            if not installed:  # and the row is locked, so it is there
                (newer,), *_ = query(self.connection, f"select epoch from {fence} where unit = $1", [unit])
                raise self._passed_by(unit, epoch, newer)

    def require_owner(self, unit: str, epoch: int) -> None:
        """Raises ``SinkFenced`` when a newer owner is there already; one that comes now is not kept out by it."""
        rows = query(self.connection, f"select epoch from {self.sql(FENCE)} where unit = $1", [unit])
        if rows and rows[0][0] > epoch:
            raise fenced(unit, epoch)

    def pass_fence(self, unit: str, epoch: int) -> None:
        """The last statement before a commit. Raises ``SinkFenced`` when a newer owner is there."""
        passed = run(
            self.connection,
            f"update {self.sql(FENCE)} set epoch = $2 where unit = $1 and epoch = $2",
            [unit, epoch],
        )
        if passed != 1:
            raise fenced(unit, epoch)

    @contextlib.contextmanager
    def explaining(self, unit: str, epoch: int) -> Generator[None]:
        """A newer owner removes what an older one left: ``SinkFenced`` where that is why something is missing."""
        try:
            yield
        except Exception as error:
            if sqlstate(error) == "42P01":
                self.install_fence(unit, epoch)
            raise

    def highest(self, target: Target) -> HighWater | None:
        rows = query(
            self.connection,
            f"select {_FIELDS} from {self.sql(COMMIT)} where unit = $1 and generation = $2 and slice_seq >= 0 "
            "order by slice_seq desc limit 1",
            [target.unit, target.generation],
        )
        if not rows:
            return None
        record = _record(rows[0])
        return HighWater(record=record, hash=record_hash(record))

    def find(self, unit: str, generation: int, slice_seq: int) -> CommitRecord | None:
        rows = query(
            self.connection,
            f"select {_FIELDS} from {self.sql(COMMIT)} where unit = $1 and generation = $2 and slice_seq = $3",
            [unit, generation, slice_seq],
        )
        return _record(rows[0]) if rows else None

    def rows_committed(self, target: Target) -> int:
        """How many rows the generation was given since one of its own slices deleted the last there was."""
        commits = self.sql(COMMIT)
        rows = query(
            self.connection,
            f"select coalesce(sum(rows), 0)::int8 from {commits} where unit = $1 and generation = $2 and slice_seq > "
            f"(select coalesce(max(slice_seq), -1) from {commits} where unit = $1 and generation = $2 and emptied)",
            [target.unit, target.generation],
        )
        return int(rows[0][0])

    def add(self, record: CommitRecord, *, has_emptied: bool = False) -> None:
        """``has_emptied``: the slice deleted every row there was.

        Raises:
            CheckpointAheadOfSink: The slice before is not there any more, as after a failover that lost it.
        """
        commits = self.sql(COMMIT)
        added = run(
            self.connection,
            f"insert into {commits} "
            "(unit, generation, slice_seq, from_ckpt, to_ckpt, rows, sha256, epoch, prev_hash, emptied) "
            "select $1, $2, $3::int8, $4, $5, $6, decode($7, 'hex'), $8, decode($9, 'hex'), nullif($10, false) "
            f"where $3 <= 0 or exists (select from {commits} "
            "where unit = $1 and generation = $2 and slice_seq = $3 - 1)",
            [
                record.unit, record.generation, record.slice_seq, Jsonb(record.from_ckpt), Jsonb(record.to_ckpt),
                record.rows, record.sha256, record.epoch, record.prev_hash, has_emptied,
            ],
        )  # fmt: skip
        if added != 1:
            raise CheckpointAheadOfSink(
                f"The sink does not hold slice {record.slice_seq - 1} of {record.unit} any more, which it had taken: "
                "it was set back to an older state, or its records were deleted. Nothing was written behind the gap. "
                "Start the unit again: it goes on from what is there, or says what to do.",
                role="sink",
                details={"sliceSeq": record.slice_seq},
            )

    def is_closed(self, target: Target) -> bool:
        """Whether the generation's replacement is what readers see."""
        return self.find(target.unit, target.generation, CLOSING_SEQ) is not None

    def close_generation(self, target: Target, epoch: int) -> None:
        last = self.highest(target)
        checkpoint = None if last is None else last.record.to_ckpt
        self.add(
            CommitRecord(
                unit=target.unit,
                generation=target.generation,
                slice_seq=CLOSING_SEQ,
                from_ckpt=checkpoint,
                to_ckpt=checkpoint,
                rows=0,
                sha256=hashlib.sha256(b"").hexdigest(),
                epoch=epoch,
                prev_hash=hashlib.sha256(b"").hexdigest() if last is None else last.hash,
            )
        )

    def _passed_by(self, unit: str, epoch: int, newer: int) -> SinkFenced:
        return SinkFenced(
            f"A newer run has taken over {unit}: epoch {newer} has been here, and this run is of epoch {epoch}. "
            "Nothing is to be done, unless Headrace's own database was restored from an older copy. Then delete this "
            f"unit's rows from {self.sql(FENCE)} and {self.sql(COMMIT)}, and reset the unit to load everything again; "
            "if rows are appended, empty the table first.",
            role="sink",
            details={"unit": unit, "epoch": epoch, "newer": newer},
        )

    def sql(self, name: str) -> str:
        """One of the three tables, as statements name it."""
        return quote_qualified(self.schema, name)


def lock_schema(connection: Connection, schema: str) -> None:
    """Until the transaction ends, nobody else of us makes or changes tables in the schema."""
    query(connection, "select pg_advisory_xact_lock(hashtext('headrace'), hashtext($1))", [schema])


def fenced(unit: str, epoch: int) -> SinkFenced:
    return SinkFenced(
        f"A newer run has taken over {unit}: this one, of epoch {epoch}, wrote nothing more. Nothing is to be done.",
        role="sink",
    )


def _record(row: Sequence[Any]) -> CommitRecord:
    unit, generation, slice_seq, from_ckpt, to_ckpt, rows, sha256, epoch, prev_hash = row
    return CommitRecord(
        unit=unit, generation=generation, slice_seq=slice_seq, from_ckpt=from_ckpt, to_ckpt=to_ckpt, rows=rows,
        sha256=sha256, epoch=epoch, prev_hash=prev_hash,
    )  # fmt: skip
