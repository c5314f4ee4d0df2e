"""Blocks that go from a source into a sink as they are read, without waiting in staging.

Whether a run does that is agreed once, before its first slice: the source says
what the columns of its blocks are, and the sink whether they fit where the rows
go. A session still counts and hashes every byte, so a slice is sealed, judged
and committed as any other is; the sink only has its rows earlier, in a place
that nobody reads.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pyarrow as pa

from headrace.abilities import BlockSink, BlockSource
from headrace.endpoint import Policy, SinkEndpoint, SourceEndpoint
from headrace.importing import SinkRun
from headrace.staging import FILE_FORMATS, Slice, StagingSession


@dataclass
class BlockLoads:
    """The loads of one run. ``policy_for`` is called by the threads that read slices."""

    unit_id: str
    source: BlockSource
    sink: BlockSink
    into: SinkRun
    _agreeing: threading.Lock = field(default_factory=threading.Lock)
    _is_agreed: bool = False
    _schema: pa.Schema | None = None

    @staticmethod
    def of(unit_id: str, source: SourceEndpoint, sink: SinkEndpoint | None, into: SinkRun | None) -> BlockLoads | None:
        """None where one end cannot, in no run."""
        if into is None or not isinstance(source, BlockSource) or not isinstance(sink, BlockSink):
            return None
        return BlockLoads(unit_id, source, sink, into)

    def policy_for(self, slice_: Slice, session: StagingSession, policy: Policy) -> Policy:
        """How the slice is read: in blocks, for which the session then has a load, or otherwise."""
        if not _is_in_blocks(policy):
            return policy
        schema = self.agree(policy)
        if schema is None:
            return {key: value for key, value in policy.items() if key != "nativeFormat"}
        session.hand_on(self.sink.load(self.into.target, slice_, schema))
        return policy

    def agree(self, policy: Policy) -> pa.Schema | None:
        """The columns of the blocks, for which the target is prepared then; None: both ends use another shape."""
        with self._agreeing:
            if not self._is_agreed and _is_in_blocks(policy):
                self._schema = self._agreed(policy)
                self._is_agreed = True
            return self._schema

    def _agreed(self, policy: Policy) -> pa.Schema | None:
        schema = self.source.block_schema(self.unit_id, policy)
        if schema is None or not self.sink.can_load(self.into.target, schema, policy):
            return None
        self.into.policy = {**self.into.policy, "nativeFormat": policy["nativeFormat"]}
        self.into.prepare(schema)
        return schema


def _is_in_blocks(policy: Policy) -> bool:
    return policy.get("nativeFormat") not in (None, *FILE_FORMATS)
