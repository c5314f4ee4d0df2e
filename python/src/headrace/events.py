"""What is said while a unit runs: each event is one value of the stream of ``runIngestionUnit``."""

from __future__ import annotations

from typing import Literal, TypeAlias

from headrace.protocol import CommitRecord, Json, NormalizedRecord, Problem, Word


class Event(Word, tag_field="_tag", tag=True):
    """One value of the stream of ``runIngestionUnit``."""


class Opened(Event):
    fenced: bool
    high_water: CommitRecord | None


class Planned(Event):
    slices: int | None
    estimated_rows: int | None
    strategy: str
    resumes: bool


class Sealed(Event, rename={"from_": "from", "slice_seq": "sliceSeq"}):
    slice_seq: int
    from_: Json
    to: Json
    read: int
    rows: int
    rejected: int
    filtered: int
    sha256: str
    bytes: int


class Committed(Event):
    commit_record: CommitRecord
    adopted: bool
    location: Json


class Records(Event):
    slice_seq: int
    batch: int
    records: list[NormalizedRecord]


Phase: TypeAlias = Literal["plan", "export", "import", "commit", "finish"]


class Progress(Event):
    phase: Phase
    slice_seq: int | None
    rows: int
    bytes: int
    counter: int


class RejectedRow(Word):
    """A row set aside; ``position`` counts what the slice read, from 0. ``payload``: see ``headrace.payloads``."""

    position: int
    code: str
    reason: str
    column: str | None
    sha256: str
    payload: str | None = None


class Rejected(Event):
    slice_seq: int
    rows: list[RejectedRow]


class Finished(Event):
    new_checkpoint: Json
    stats: dict[str, Json]
    errors: list[Problem]


RunEvent: TypeAlias = Opened | Planned | Sealed | Committed | Records | Progress | Rejected | Finished
