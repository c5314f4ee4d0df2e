"""The rows that a source no longer has, as slices of their own at the end of a run: ``deletes: keyDiff``.

The slices stand at the checkpoint the rows ended with and move it nowhere. A
run that dies among them compares anew: what was taken away is not found again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import pyarrow as pa

from headrace.abilities import KeyedSink, KeyedSource
from headrace.endpoint import Policy, SinkEndpoint, SourceCapabilities, SourceEndpoint, Target
from headrace.errors import Bug
from headrace.keydiff import absent_keys
from headrace.observer import Observer
from headrace.protocol import Json, NormalizedRecord
from headrace.staging import Slice

GONE = {"headrace": "gone"}
"""The bounds of a slice of rows that are gone."""

ROWS_OF_A_SLICE, KEYS_AT_ONCE = 100_000, 5_000


@dataclass(slots=True)
class GoneRows:
    """Reads, in place of the source, the slices it plans itself; each once, and in order."""

    source: SourceEndpoint
    unit_id: str
    policy: Policy
    observer: Observer
    planned: dict[int, list[pa.RecordBatch]] = field(default_factory=dict[int, list[pa.RecordBatch]])

    def capabilities(self) -> SourceCapabilities:
        """A row that is gone is wanted, whatever the filter says of it."""
        return replace(self.source.capabilities(), filters=True)

    def slices(self, sink: SinkEndpoint, target: Target, seq: int, checkpoint: Json, rows: int) -> Iterator[Slice]:
        """Numbered from ``seq``, with about ``rows`` rows each. The comparison is made before the first."""
        waiting: list[pa.RecordBatch] = []
        for batch in self._tombstones(sink, target, rows):
            waiting.append(batch)
            if sum(each.num_rows for each in waiting) >= rows:
                yield self._slice(waiting, seq, checkpoint)
                seq, waiting = seq + 1, []
        if waiting:
            yield self._slice(waiting, seq, checkpoint)

    def _tombstones(self, sink: SinkEndpoint, target: Target, rows: int) -> Iterator[pa.RecordBatch]:
        source = self.source
        if not isinstance(source, KeyedSource) or not isinstance(sink, KeyedSink):
            raise Bug("Keys were to be compared of endpoints that cannot tell them.")
        key, policy = target.primary_key, self.policy
        with ExitStack() as opened:
            held = opened.enter_context(closing(sink.existing_keys(target)))
            known = opened.enter_context(closing(source.keys(self.unit_id, key, policy)))
            absent = opened.enter_context(closing(absent_keys(self._watched(known), self._watched(held))))
            while some := list(islice(absent, min(KEYS_AT_ONCE, rows))):
                yield from (gone for gone in source.tombstones(self.unit_id, key, some, policy) if gone.num_rows)

    def _watched(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self.observer.moved("export", None, 0, 0)
            yield batch

    def collect_metadata(self) -> Iterator[NormalizedRecord]:
        return self.source.collect_metadata()

    def read(self, unit_id: str, slice_: Slice, policy: Policy) -> Iterator[Any]:
        yield from self.planned.pop(slice_.seq)

    def _slice(self, batches: list[pa.RecordBatch], seq: int, checkpoint: Json) -> Slice:
        self.planned[seq] = batches
        return Slice(seq=seq, bounds=GONE, from_checkpoint=checkpoint, to_checkpoint=checkpoint)
