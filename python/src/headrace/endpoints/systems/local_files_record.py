"""The commit record as ``_commit.json``: canonical JSON, whose keys are the columns that SQL sinks give it."""

from __future__ import annotations

import msgspec

from headrace.commit import canonical_json
from headrace.protocol import CommitRecord

_READ = {field.name: field.encode_name for field in msgspec.structs.fields(CommitRecord)}


def encode_record(record: CommitRecord) -> bytes:
    return canonical_json({name: getattr(record, name) for name in _READ})


def decode_record(content: bytes) -> CommitRecord:
    """Raises ``msgspec.MsgspecError`` when the content is no commit record."""
    fields = msgspec.json.decode(content, type=dict[str, object])
    return msgspec.convert({_READ.get(name, name): value for name, value in fields.items()}, CommitRecord)
