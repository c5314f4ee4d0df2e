"""What is set aside before staging, and when there is too much of it.

The limits of the policy's ``quarantine`` are those of a run. A slice is judged
together with those before it, and one that passes a limit is not committed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

import pyarrow as pa

from headrace.errors import QuarantineExceeded, RowRejected
from headrace.events import RejectedRow
from headrace.policy import Quarantine, RunPolicy
from headrace.protocol import Json
from headrace.refusals import RefusedRow
from headrace.rows import arrow_from_rows
from headrace.staging import Row
from headrace.weights import heavy_rows, value_weight

LONGEST_KEY = 40
"""Characters of a key's value that a message shows."""

_LINE = re.compile(r", line \d+: ")

OFFER = ' Or set such rows aside with quarantine {"maxRows": 100}.'


def refused_of(row: Row, position: int, refusal: RowRejected) -> RefusedRow:
    """A row that staging refused, with its values where they are a row of Arrow by themselves."""
    column = refusal.details.get("column")
    try:
        kept: pa.RecordBatch | None = arrow_from_rows([row], position)
    except RowRejected:
        kept = None
    return RefusedRow(
        position=position,
        code="UNCARRIABLE",
        reason=refusal.message.partition(" cannot be staged: ")[2] or refusal.message,
        column=column if isinstance(column, str) and column else None,
        row=kept,
        text=None if kept is not None else repr(dict(row)),
    )


def too_heavy(batch: pa.RecordBatch, most: int | None) -> list[RefusedRow]:
    """The rows of more than ``most`` bytes; none where nobody looks."""
    if most is None:
        return []
    found = heavy_rows(batch, most)
    return [_too_large(position, most, batch.slice(position, 1)) for position in found]


def heavy_among(rows: Sequence[Row], most: int | None) -> list[RefusedRow]:
    """The same of rows that are not Arrow yet. Their values are not kept, for they are too large for it anyway."""
    if most is None:
        return []
    found = [position for position, row in enumerate(rows) if sum(map(value_weight, row.values())) > most]
    return [_too_large(position, most, None) for position in found]


def _too_large(position: int, most: int, row: pa.RecordBatch | None) -> RefusedRow:
    return RefusedRow(
        position=position,
        code="TOO_LARGE",
        reason=f"the row has more than {most} bytes; leave a column out with the policy's columns, or raise its "
        "limits.rowBytes.",
        row=row,
    )


def require_within(
    quarantine: Quarantine, rows: Sequence[RejectedRow], rejected: int, read: int, key: Sequence[str] = ()
) -> None:
    """``rows`` are those of this slice, the counts those of the run so far.

    Raises:
        QuarantineExceeded: With this slice they are too many.
    """
    if rows and not quarantine.holds(rejected, read):
        raise too_many(quarantine, rows, rejected, read, key)


def offering(error: Exception, policy: RunPolicy) -> Exception:
    """The same failure, with what a policy could do about it where one row is to blame, and none was set aside."""
    is_of_a_row = isinstance(error, RowRejected) and not {"column", "line", "sqlstate"}.isdisjoint(error.details)
    if is_of_a_row and isinstance(error, RowRejected) and not policy.sets_aside and OFFER not in error.message:
        error.message += OFFER
    return error


def place_of(row: RejectedRow, key: Sequence[str]) -> str:
    """Which row it is: by its line, where the reason names one, else by its key, else by its number in the slice."""
    if _LINE.search(row.reason):
        return ""
    said: Mapping[str, Json] | None = None if row.payload is None else json.loads(row.payload).get("row")
    if key and said and set(key) <= set(said):
        return f"The row with {', '.join(f'{name} = {_cut(str(said[name]))}' for name in key)}: "
    return f"Row {row.position + 1} of its slice: "


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_KEY else f"{text[:LONGEST_KEY]}…"


def too_many(
    quarantine: Quarantine, rows: Sequence[RejectedRow], rejected: int, read: int, key: Sequence[str] = ()
) -> QuarantineExceeded:
    first = rows[0]
    return QuarantineExceeded(
        f"{rejected} of {read} rows cannot be carried, which is more than {_exceeded(quarantine, rejected, read)}. "
        f"{place_of(first, key)}{first.reason} Correct the rows, or raise what was exceeded.",
        details={
            "rejected": rejected,
            "read": read,
            "first": [{"position": row.position, "code": row.code, "reason": row.reason} for row in rows[:20]],
        },
    )


def _exceeded(quarantine: Quarantine, rejected: int, read: int) -> str:
    """The limits that were passed, each by the name it has in the policy."""
    passed: list[str] = []
    if rejected > quarantine.max_rows:
        passed.append(f"quarantine.maxRows of {quarantine.max_rows}")
    if not quarantine.holds_part(rejected, read):
        passed.append(f"quarantine.maxRatio of {quarantine.max_ratio:g} ({quarantine.max_ratio * 100:g} % of them)")
    return " and ".join(passed)
