"""The commit record as ``_commit.json``: canonical JSON, whose keys are the columns that SQL sinks give it.

Where a slot is no directory of its own, or has folders of partitions, the record also names the files of its rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headrace.commit import canonical_json
from headrace.protocol import CommitRecord

FILES = "files"

_READ = {field.name: field.encode_name for field in msgspec.structs.fields(CommitRecord)}


class SlotFile(msgspec.Struct, frozen=True):
    """A file of a slot."""

    name: str
    bytes: int
    rows: int


def encode_record(record: CommitRecord, files: Sequence[SlotFile] | None = None) -> bytes:
    said = {name: getattr(record, name) for name in _READ}
    return canonical_json(said if files is None else {**said, FILES: [msgspec.to_builtins(file) for file in files]})


def decode_record(content: bytes) -> CommitRecord:
    """Raises ``msgspec.MsgspecError`` when the content is no commit record."""
    fields = msgspec.json.decode(content, type=dict[str, object])
    fields.pop(FILES, None)
    return msgspec.convert({_READ.get(name, name): value for name, value in fields.items()}, CommitRecord)


def named_files(content: bytes) -> list[SlotFile]:
    """The same of a record that need not name any. What is no record names none: its reader says that it is none."""
    try:
        return decode_files(content)
    except msgspec.MsgspecError:
        return []


def decode_files(content: bytes) -> list[SlotFile]:
    """The files that a record names. Raises ``msgspec.MsgspecError`` when it names none."""
    return msgspec.convert(msgspec.json.decode(content, type=dict[str, object]).get(FILES), list[SlotFile])
