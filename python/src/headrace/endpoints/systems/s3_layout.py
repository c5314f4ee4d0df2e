"""How the sink lays a unit out in a bucket, for whoever writes there and whoever reads.

::

    <base>/<unit>/_unit.json                                      whose it is
    <base>/<unit>/_current.json                                   which generations readers read
    <base>/<unit>/gen=<g>/slice=<seq>/part-<attempt>-<n>.parquet  rows; counted only when the record names them
    <base>/<unit>/gen=<g>/slice=<seq>/_commit.json                the commit record, which takes the slot
    <base>/<unit>/_read.sql, _latest.sql                          how to read it all, and what was merged

Objects cannot be renamed, so what a listing shows is more than what counts: the
rows of a unit are the files that the records of its current generations name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from headrace.endpoints.systems.files_layout import COMMIT_FILE, GENERATION, SLOT
from headrace.errors import CheckpointAheadOfSink
from headrace.protocol import Role

if TYPE_CHECKING:
    from headrace.objects.bucket import Bucket

CURRENT_FILE = "_current.json"
READ_FILE = "_read.sql"

_PART = re.compile(r"part-(?P<attempt>[0-9a-f]{32})-\d+\.parquet")
_SLOT = re.compile(re.escape(SLOT) + r"(?P<seq>\d+)/(?P<name>[^/]+)")


class Current(msgspec.Struct, frozen=True):
    """What ``_current.json`` says. No generation below ``newest`` can come to be read any more."""

    newest: int
    generations: list[int]


def generation_key(unit: str, generation: int) -> str:
    return f"{unit}/{GENERATION}{generation}"


def slot_key(unit: str, generation: int, seq: int) -> str:
    return f"{generation_key(unit, generation)}/{SLOT}{seq:06d}"


def commit_key(unit: str, generation: int, seq: int) -> str:
    return f"{slot_key(unit, generation, seq)}/{COMMIT_FILE}"


def part_name(attempt: str, number: int) -> str:
    return f"part-{attempt}-{number}.parquet"


def attempt_of(name: str) -> str | None:
    """Which attempt wrote a part; None for what is no part."""
    found = _PART.fullmatch(name)
    return None if found is None else found["attempt"]


def slot_of(key: str) -> tuple[int, str] | None:
    """Slot and file of a key relative to its generation; None for what is not in a slot."""
    found = _SLOT.fullmatch(key)
    return None if found is None else (int(found["seq"]), found["name"])


def read_current(bucket: Bucket, unit: str, role: Role) -> tuple[Current, str] | None:
    """With its etag; None when there is none yet. Raises ``CheckpointAheadOfSink`` when it cannot be read."""
    found = bucket.get(f"{unit}/{CURRENT_FILE}")
    if found is None:
        return None
    try:
        return msgspec.json.decode(found[0], type=Current), found[1]
    except msgspec.MsgspecError as error:
        shown = bucket.address.shown(f"{unit}/{CURRENT_FILE}")
        raise CheckpointAheadOfSink(
            f"{shown} is damaged. Restore it from a backup; or, if everything may be read again, move "
            f"{bucket.address.shown(unit)} away and reset the unit.",
            role=role,
            details={"path": shown},
        ) from error
