"""Rows that were set aside, read again in place of what their source has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from headrace.endpoint import DatasetSchema, Plan, Policy, SourceCapabilities, SourceEndpoint
from headrace.errors import ConfigInvalid
from headrace.payloads import row_of
from headrace.protocol import Json, NormalizedRecord, Preview, UnitDescriptor
from headrace.staging import Slice


class ReplayedRows:
    """One slice of the rows kept in ``payloads``, in their order; it ends where it begins. The rest is the source's."""

    def __init__(self, source: SourceEndpoint, payloads: Sequence[str]) -> None:
        self._source = source
        self._payloads = payloads

    def capabilities(self) -> SourceCapabilities:
        return SourceCapabilities(full=True, incremental=True, replays=True)

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

    def read(self, unit_id: str, slice_: Slice, policy: Policy) -> Iterator[pa.RecordBatch]:
        rows = [row for payload in self._payloads if (row := row_of(payload)) is not None]
        if len(rows) < len(self._payloads):
            raise ConfigInvalid("Of some rows no columns are kept. Correct them at the source.", role="source")
        yield pa.concat_batches(rows)

    def close(self) -> None:
        self._source.close()
