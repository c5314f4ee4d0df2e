"""What a run says of its plan, of its slices and of single rows: records for the knowledge base, and rows set aside.

Rows are told within bounds: at most four batches of records wait for their verdict, and no
message of rejected rows is larger than a mebibyte.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import msgspec

from headrace.endpoint import Plan
from headrace.events import Planned, Records, Rejected, RejectedRow, Sealed
from headrace.exporting import Exported
from headrace.importing import SinkRun
from headrace.observer import Answer, Observer
from headrace.protocol import Json, Verdict
from headrace.records import record_batches
from headrace.staging import RecordReader, Slice

UNANSWERED = 4
REJECTED_BYTES = 1024 * 1024


def planned(plan: Plan) -> Planned:
    return Planned(slices=plan.count, estimated_rows=plan.estimated_rows, strategy=plan.strategy, resumes=plan.resumes)


def delivery(plan: Plan, into: SinkRun | None) -> Json:
    """How exactly rows arrive, and what readers of the sink must know."""
    if into is None:
        return {"class": "A", **plan.delivery}
    capabilities = into.sink.capabilities()
    reading = capabilities.reading.get(into.target.disposition)
    return {"class": capabilities.delivery, **plan.delivery, **({"reading": reading} if reading else {})}


def sealed(slice_: Slice, exported: Exported) -> Sealed:
    return Sealed(
        slice_seq=slice_.seq,
        from_=slice_.from_checkpoint,
        to=slice_.to_checkpoint,
        read=exported.read,
        rows=exported.seal.rows,
        rejected=len(exported.rejected),
        filtered=exported.filtered,
        sha256=exported.seal.sha256,
        bytes=exported.seal.bytes,
    )


def ask_records(observer: Observer, slice_seq: int, reader: RecordReader) -> Verdict:
    """Say every staged record and wait until all count. The first verdict that is not ``commit`` ends it."""
    open_questions: deque[Answer] = deque()
    for batch, records in enumerate(record_batches(reader)):
        if len(open_questions) == UNANSWERED:
            verdict = open_questions.popleft()()
            if verdict != "commit":
                return verdict
        open_questions.append(observer.ask(Records(slice_seq=slice_seq, batch=batch, records=records)))
        observer.moved("import", slice_seq, 0, 0)
    worst: Verdict = "commit"
    for answer in open_questions:
        verdict = answer()
        worst = verdict if worst == "commit" else worst
    return worst


def tell_rejected(observer: Observer, slice_seq: int, rows: Sequence[RejectedRow]) -> None:
    for group in _grouped(rows):
        observer.tell(Rejected(slice_seq=slice_seq, rows=group))


def _grouped(rows: Sequence[RejectedRow]) -> Iterator[list[RejectedRow]]:
    group: list[RejectedRow] = []
    size = 0
    for row in rows:
        weight = len(msgspec.msgpack.encode(row))
        if group and size + weight > REJECTED_BYTES:
            yield group
            group, size = [], 0
        group.append(row)
        size += weight
    if group:
        yield group
