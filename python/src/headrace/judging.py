"""A staged slice as the sink will take it: judged before anybody is asked whether it counts.

Where the policy discards what does not fit the schema there, rows are made to
fit it. Where it sets rows aside, the sink is asked which ones it would refuse.
What remains is sealed anew, so the manifest, the decision and the commit record
speak of the rows that land, under the same number of the slice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from headrace.abilities import JudgingSink
from headrace.ahead import Staged
from headrace.deletions import tombstones_of
from headrace.errors import ConfigInvalid
from headrace.events import RejectedRow
from headrace.exporting import Exported
from headrace.fitting import Fit
from headrace.importing import SinkRun, WatchedReader
from headrace.observer import Observer
from headrace.payloads import rejected_row
from headrace.policy import RunPolicy
from headrace.refusals import RefusedRow
from headrace.sifting import SiftedSession, position_before
from headrace.staging import RecordReader, Slice


def judged(staged: Staged, into: SinkRun, observer: Observer) -> Staged:
    """The slice without what the policy leaves behind; the very same where it leaves nothing.

    Raises:
        ConfigInvalid: The policy discards, and the sink cannot say what it has.
    """
    policy = into.parsed
    if not (policy.sets_aside or policy.discards):
        return staged
    reader = staged.session.reader()
    if reader.schema is None:
        return staged
    if not isinstance(into.sink, JudgingSink):
        if policy.discards:
            raise _unknowing(policy.schema_contract)
        return staged
    fit = _fit(into, into.sink, reader.schema) if policy.discards else None
    misfits, values = ({}, Counter[str]()) if fit is None else _misfits(fit, reader, policy)
    most = policy.quarantine.max_rows - len(staged.exported.rejected)
    fitting = SiftedSession(staged.session, fit, sorted(misfits))
    into.prepare(fitting.reader().schema)
    refused = _refused(into, into.sink, staged.slice, fitting, observer, most - len(misfits))
    gone = {**misfits, **{position_before(row.position, sorted(misfits)): row for row in refused}}
    if fit is None and not gone:
        return staged
    session = SiftedSession(staged.session, fit, sorted(gone))
    rejected = _rejected(staged.exported, gone, reader)
    deleted = staged.exported.deleted
    if deleted:
        deleted -= sum(tombstones_of(row) for _, row in _rows_at(sorted(gone), reader))
    seal = session.seal()
    exported = replace(staged.exported, seal=seal, rejected=rejected, discarded=values, deleted=deleted)
    return replace(staged, session=session, exported=exported)


def _refused(
    into: SinkRun, sink: JudgingSink, slice_: Slice, session: SiftedSession, observer: Observer, most: int
) -> Sequence[RefusedRow]:
    if most < 0 or not into.parsed.sets_aside:
        return ()
    return sink.refused_rows(into.target, slice_, WatchedReader(session.reader(), slice_.seq, observer), most)


def _fit(into: SinkRun, sink: JudgingSink, schema: pa.Schema) -> Fit | None:
    there = sink.schema_there(into.target, schema)
    return None if there is None or there.equals(schema) else Fit(there)


def _misfits(fit: Fit, reader: RecordReader, policy: RunPolicy) -> tuple[dict[int, RefusedRow], Counter[str]]:
    """Rows that do not fit, by position, where the contract drops rows; else the values that become NULL.

    Ends early with more rows than the policy sets aside.
    """
    drops_rows = policy.schema_contract == "discard_row"
    rows: dict[int, RefusedRow] = {}
    values = Counter[str]()
    first = 0
    for batch in reader.iter_arrow():
        found = fit.misfits(batch)
        if not drops_rows:
            values.update(found.values)
            continue
        rows.update({first + at: _misfit(fit, first + at, column) for at, column in found.rows.items()})
        if len(rows) > policy.quarantine.max_rows:
            break
        first += batch.num_rows
    return rows, values


def _misfit(fit: Fit, position: int, column: str) -> RefusedRow:
    there = f"is {fit.there.field(column).type} there" if column in fit.there.names else "is not there"
    return RefusedRow(
        position=position,
        code="SCHEMA",
        reason=f"column {column} {there}, and the value does not fit; alter the target, or choose another "
        "schemaContract.",
        column=column,
    )


def _rejected(exported: Exported, gone: Mapping[int, RefusedRow], reader: RecordReader) -> list[RejectedRow]:
    """All rows of the slice that are set aside, each by its position among those that were read."""
    before = sorted([*exported.filtered_at, *(row.position for row in exported.rejected)])
    found = [
        rejected_row(replace(gone[position], row=row), position_before(position, before))
        for position, row in _rows_at(sorted(gone), reader)
    ]
    return sorted([*exported.rejected, *found], key=lambda row: row.position)


def _rows_at(positions: Sequence[int], reader: RecordReader) -> Iterator[tuple[int, pa.RecordBatch]]:
    wanted = list(reversed(positions))
    first = 0
    for batch in reader.iter_arrow():
        while wanted and wanted[-1] < first + batch.num_rows:
            yield wanted[-1], batch.slice(wanted[-1] - first, 1)
            wanted.pop()
        first += batch.num_rows
        if not wanted:
            return


def _unknowing(contract: str) -> ConfigInvalid:
    return ConfigInvalid(
        f"The policy's schemaContract is {contract}, and this sink cannot say which columns it has. Choose evolve or "
        "freeze.",
        role="sink",
        details={"field": "policy.schemaContract"},
    )
