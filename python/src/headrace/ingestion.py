"""The three functions the specification names, callable from plain Python: no worker, no server.

Endpoints are made known with ``registry.configure`` first. A run here decides
for itself: every sealed slice is committed, and the caller keeps the checkpoint.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from typing import TypedDict

import msgspec

from headrace.ahead import Staged
from headrace.endpoint import DatasetSchema, Policy, SinkEndpoint, SourceEndpoint
from headrace.endpoints import registry
from headrace.errors import ConfigInvalid, DataPlaneError, UnitNotFound, problem
from headrace.events import Finished
from headrace.exporting import Exported, export_slice
from headrace.importing import SinkRun, staged_schema
from headrace.judging import judged
from headrace.observer import CommitAlways
from headrace.policy import RunPolicy, parse
from headrace.protocol import Json
from headrace.run import UnitRun, run_unit
from headrace.setting_aside import require_within
from headrace.staging import Slice, StagingSession
from headrace.stagings import staging_provider
from headrace.tally import Tally

DEFAULT_STAGING = "in_memory"
TENANT = "local"
KNOWLEDGE_BASE = "kb"
"""The sink id of a run without a sink."""


class ExportResult(TypedDict):
    new_checkpoint: Json
    stats: dict[str, Json]


class ImportResult(TypedDict):
    stats: dict[str, Json]


class IngestionUnitResult(TypedDict):
    new_checkpoint: Json
    stats: dict[str, Json]
    errors: list[dict[str, Json]]


def export_to_staging(
    source_endpoint: SourceEndpoint, unit_id: str, checkpoint: Json, policy: Policy, staging: StagingSession
) -> ExportResult:
    """Read into ``staging`` and seal it: the slice of its context, or everything new when that has none.

    Returns:
        ``new_checkpoint``: where to read on once the rows are stored. ``stats``: ``exported_rows``,
        ``rejected_rows``, ``filtered_rows``, ``exported_bytes``, ``duration_ms``.

    Raises:
        DataPlaneError: The source or staging failed. The session stays the caller's to close.
    """
    given = staging.context.slice
    ends: list[Json] = [checkpoint]
    slices: Iterable[Slice] = (
        [given]
        if given is not None
        else source_endpoint.plan(unit_id, checkpoint, policy, staging.context.slice_seq).slices
    )
    parsed = parse(policy)
    exported = export_slice(source_endpoint, unit_id, _noting(slices, ends), policy, parsed, staging, CommitAlways())
    require_within(parsed.quarantine, exported.rejected, len(exported.rejected), exported.read)
    stats: dict[str, Json] = {
        "exported_rows": exported.read,
        "rejected_rows": len(exported.rejected),
        "filtered_rows": exported.filtered,
        "exported_bytes": exported.seal.bytes,
        "duration_ms": exported.duration_ms,
    }
    return {"new_checkpoint": ends[-1], "stats": stats}


def import_from_staging(
    sink_endpoint: SinkEndpoint, unit_id: str, staging: StagingSession, policy: Policy
) -> ImportResult:
    """Store what ``staging`` holds, with the commit record of its context's slice.

    A session whose context has no slice holds everything there is, so the sink
    is completed too. A session without columns writes nothing.

    Returns:
        ``stats``: ``applied_rows``, ``rejected_rows``, ``applied_bytes``, ``adopted``, ``location``, ``duration_ms``.

    Raises:
        DataPlaneError: The sink failed. Nothing of the slice is visible then.
    """
    began = time.monotonic()
    arrow = staging.reader().schema
    if arrow is None:
        nothing: dict[str, Json] = {"applied_rows": 0, "rejected_rows": 0, "applied_bytes": 0, "adopted": False}
        return {"stats": {**nothing, "location": None, "duration_ms": 0}}
    context, parsed = staging.context, parse(policy)

    def described() -> DatasetSchema:
        return staged_schema(arrow, None, parsed.primary_keys)

    into = SinkRun.make(sink_endpoint, context, parsed, described, policy)
    if into.open() is None and context.prev_hash:
        into.prev_hash = context.prev_hash
    whole = Slice(seq=context.slice_seq, bounds=None, from_checkpoint=None, to_checkpoint=None)
    slice_, seal = context.slice or whole, staging.seal()
    exported = Exported(seal=seal, read=seal.rows, rejected=[], filtered=0, duration_ms=0)
    staged = judged(Staged(slice_, staging, exported), into, CommitAlways())
    rejected = staged.exported.rejected
    require_within(parsed.quarantine, rejected, len(rejected), seal.rows)
    _, applied, _ = into.write(slice_, staged.session, staged.exported.seal, CommitAlways())
    location = applied.location
    if context.slice is None:
        location = into.complete(nothing=False, is_first=True) or location
    stats: dict[str, Json] = {
        "applied_rows": applied.rows,
        "rejected_rows": len(rejected),
        "applied_bytes": applied.bytes,
        "adopted": applied.adopted,
        "location": location,
        "duration_ms": round((time.monotonic() - began) * 1000),
    }
    return {"stats": stats}


def run_ingestion_unit(
    source_endpoint_id: str,
    sink_endpoint_id: str | None,
    unit_id: str,
    checkpoint: Json,
    policy: Policy,
    staging_provider_id: str | None = None,
) -> IngestionUnitResult:
    """Carry everything of a unit that is new since ``checkpoint``.

    Rows are staged with ``staging_provider_id``; unsaid, with the policy's provider, else in memory.
    An incremental unit keeps one generation in its sink, and what the sink holds
    of it overrules an older ``checkpoint``. A full read is a generation of its own.
    What processes staged that have died since is deleted first.

    Returns:
        ``new_checkpoint`` of the last slice that was stored, ``stats``, and in ``errors`` what ended the run.

    Raises:
        ConfigInvalid: An endpoint, a sink, a staging provider or a policy value is unknown; nothing was begun.
        UnitNotFound: The source has no such unit.
    """
    parsed = parse(policy)
    chosen = parsed.staging_provider or DEFAULT_STAGING if staging_provider_id is None else staging_provider_id
    provider = staging_provider(chosen)
    run = _own_run(source_endpoint_id, sink_endpoint_id, unit_id, checkpoint, policy, parsed)
    with ExitStack() as opened:
        source = opened.enter_context(closing(registry.configured_source(source_endpoint_id)))
        sink = None
        if sink_endpoint_id is not None:
            sink = opened.enter_context(closing(registry.configured_sink(sink_endpoint_id)))
        try:
            provider.sweep(0, keep=())
            finished = run_unit(run, source, sink, provider, CommitAlways())
        except (ConfigInvalid, UnitNotFound):
            raise
        except DataPlaneError as error:
            stats = Tally(provider.id, parsed.data_engine).stats({})
            finished = Finished(new_checkpoint=checkpoint, stats=stats, errors=[problem(error)])
    return _told(finished)


def _told(finished: Finished) -> IngestionUnitResult:
    return {
        "new_checkpoint": finished.new_checkpoint,
        "stats": finished.stats,
        "errors": [msgspec.to_builtins(error) for error in finished.errors],
    }


def _own_run(
    source_id: str, sink_id: str | None, unit_id: str, checkpoint: Json, policy: Policy, parsed: RunPolicy
) -> UnitRun:
    """As whom a run without a control plane carries: a later one fences an earlier one.

    A full read that broke off starts over, because its generation is not known any more.
    """
    now_ms = time.time_ns() // 1_000_000
    is_full = parsed.mode == "full"
    return UnitRun(
        tenant=TENANT,
        endpoint_id=source_id,
        sink_id=sink_id or KNOWLEDGE_BASE,
        unit_id=unit_id,
        run_id=f"ingestion-{source_id}-{unit_id}-{uuid.uuid4()}",
        epoch=now_ms,
        generation=now_ms if is_full else 1,
        next_seq=0,
        checkpoint=None if is_full and sink_id is not None else checkpoint,
        policy=policy,
    )


def _noting(slices: Iterable[Slice], ends: list[Json]) -> Iterator[Slice]:
    for slice_ in slices:
        yield slice_
        ends.append(slice_.to_checkpoint)
