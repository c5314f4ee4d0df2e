"""What a sink keeps beside the rows to prove which slices it holds, and how the records chain.

A record is hashed in canonical JSON: the names of the wire, keys sorted, no
spaces, UTF-8. ``prev_hash`` is the hash of the record before it; the first of a
generation links to the hash of ``unit/generation``. So a missing, changed or
foreign record is seen without trusting any order.
"""

from __future__ import annotations

import hashlib
import json
from urllib.parse import quote

import msgspec

from headrace.protocol import CommitRecord, Json
from headrace.staging import Seal, Slice

_UNRESERVED = "-_.!~*'()"
"""What JavaScript's ``encodeURIComponent`` leaves alone: both languages write the same path."""


def canonical_json(value: Json) -> bytes:
    """One value, one sequence of bytes: sorted keys, no spaces, UTF-8. Refuses NaN and infinities."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def unit_path(tenant: str, endpoint_id: str, unit_id: str, sink_id: str) -> str:
    """The unit's name in sinks. Each part is percent-encoded, so two different units never share it."""
    return "/".join(quote(part, safe=_UNRESERVED) for part in (tenant, endpoint_id, unit_id, sink_id))


def first_hash(unit: str, generation: int) -> str:
    """What the first record of a generation links to."""
    return hashlib.sha256(f"{unit}/{generation}".encode()).hexdigest()


def record_hash(record: CommitRecord) -> str:
    """Lower-case hex; the ``prev_hash`` of the record that follows."""
    return hashlib.sha256(canonical_json(msgspec.to_builtins(record))).hexdigest()


def commit_record(*, unit: str, generation: int, epoch: int, slice_: Slice, seal: Seal, prev_hash: str) -> CommitRecord:
    """The record that is to be written together with the rows of ``slice_``."""
    return CommitRecord(
        unit=unit,
        generation=generation,
        slice_seq=slice_.seq,
        from_ckpt=slice_.from_checkpoint,
        to_ckpt=slice_.to_checkpoint,
        rows=seal.rows,
        sha256=seal.sha256,
        epoch=epoch,
        prev_hash=prev_hash,
    )
