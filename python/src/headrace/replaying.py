"""Rows that were set aside, read again in place of what their source has.

Where rows are merged by key, one that lies here may be older than what has been
carried since. A source that can be asked for it is asked, so that a replay
never puts an old version over a newer one, nor brings back a row that is gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pyarrow as pa

from headrace.abilities import RecallingSource
from headrace.endpoint import DatasetSchema, Plan, Policy, SourceCapabilities, SourceEndpoint
from headrace.errors import ConfigInvalid
from headrace.keydiff import key_texts
from headrace.payloads import row_of
from headrace.protocol import Json, NormalizedRecord, Preview, UnitDescriptor
from headrace.refusals import RefusedRow, Sifted
from headrace.source_policy import names_of
from headrace.staging import Slice

_GONE = (
    "the source has no row of this key any more, or none that is wanted and can be carried; nothing is brought back."
)


class ReplayedRows:
    """One slice of the rows kept in ``payloads``, in their order; it ends where it begins. The rest is the source's."""

    def __init__(self, source: SourceEndpoint, payloads: Sequence[str]) -> None:
        self._source = source
        self._payloads = payloads

    def capabilities(self) -> SourceCapabilities:
        """The rows were wanted when they were read, and say for themselves whether they are gone."""
        known = self._source.capabilities()
        return replace(known, replays=True, filters=True, parallel_reads=1, native_formats=())

    def list_units(self) -> Sequence[UnitDescriptor]:
        return self._source.list_units()

    def describe(self, unit_id: str) -> DatasetSchema:
        return self._source.describe(unit_id)

    def collect_metadata(self) -> Iterator[NormalizedRecord]:
        return self._source.collect_metadata()

    def preview(self, unit_id: str, limit: int) -> Preview:
        return self._source.preview(unit_id, limit)

    def plan(self, unit_id: str, checkpoint: Json, policy: Policy, next_seq: int = 0) -> Plan:
        slice_ = Slice(seq=next_seq, bounds=None, from_checkpoint=checkpoint, to_checkpoint=checkpoint)
        return Plan(slices=iter([slice_]), count=1, estimated_rows=len(self._payloads), strategy="rows set aside")

    def read(self, unit_id: str, slice_: Slice, policy: Policy) -> Iterator[pa.RecordBatch | Sifted]:
        rows = [row for payload in self._payloads if (row := row_of(payload)) is not None]
        if len(rows) < len(self._payloads):
            raise ConfigInvalid("Of some rows no columns are kept. Correct them at the source.", role="source")
        kept = pa.concat_batches(rows)
        source = self._source
        if policy.get("writeDisposition") == "merge" and isinstance(source, RecallingSource):
            key = names_of(policy, "primaryKeys") or source.describe(unit_id).primary_key
            yield _as_they_are(source, unit_id, key, kept, policy)
        else:
            yield kept

    def close(self) -> None:
        self._source.close()


def _as_they_are(
    source: RecallingSource, unit_id: str, key: tuple[str, ...], kept: pa.RecordBatch, policy: Policy
) -> Sifted:
    """The rows of ``kept`` as the source has them now, in their places; those that it has not are refused."""
    asked = _keys(kept, key)
    found: dict[tuple[str, ...] | None, tuple[pa.RecordBatch, int]] = {}
    known = [texts for texts in dict.fromkeys(asked) if texts is not None]
    for item in source.rows_of(unit_id, key, known, policy) if known else ():
        batch = item.batch if isinstance(item, Sifted) else item
        if batch is not None:
            found.update((texts, (batch, at)) for at, texts in enumerate(_keys(batch, key)))
    there = [found[texts] for texts in asked if texts in found]
    refused = [
        RefusedRow(position=at, code="GONE", reason=_GONE, row=kept.slice(at, 1))
        for at, texts in enumerate(asked)
        if texts not in found
    ]
    rows = [batch.slice(at, 1) for batch, at in there]
    return Sifted(batch=pa.concat_batches(rows) if rows else None, refused=refused)


def _keys(batch: pa.RecordBatch, key: tuple[str, ...]) -> list[tuple[str, ...] | None]:
    """The key of each row as text; None where a part of it is NULL, by which no row is found."""
    columns = batch.select(list(key))
    unknown = zip(*(column.is_null().to_pylist() for column in columns.columns), strict=True)
    return [None if any(nulls) else texts for nulls, texts in zip(unknown, key_texts(columns), strict=True)]
