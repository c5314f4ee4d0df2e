"""What the tests of runs share: rows to carry, endpoints that misbehave on purpose, and who watches."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headrace.endpoint import Policy
from headrace.events import Finished, Phase, Records, RunEvent, Sealed
from headrace.observer import Answer, CommitAlways
from headrace.protocol import GraphScope, Json, NormalizedRecord, Provenance, Verdict
from headrace.run import UnitRun, run_unit
from headrace.staging import Row, Slice
from headrace.stagings.local_disk import LocalDiskStaging
from headrace.testing.row_endpoints import RecordsSource, RowsSource
from headrace.testing.row_sink import Place, RowsSink, place


def rows(count: int) -> list[dict[str, Any]]:
    return [{"id": n, "name": f"row {n}"} for n in range(1, count + 1)]


def rows_parameters(count: int, **more: str) -> dict[str, str]:
    """Parameters of ``test.rows``: two rows a slice."""
    return {"rows": json.dumps(rows(count)), "sliceRows": "2", **more}


def unit_run(unit_id: str = "rows", *, sink_id: str = "kb", policy: Policy | None = None, **changes: Any) -> UnitRun:
    given: dict[str, Any] = {
        "tenant": "dev",
        "endpoint_id": "shop",
        "run_id": "ingestion-shop-rows-3f0e3c4a-6f0a-4c37-9d4f-0d6f6b0a9a10",
        "epoch": 1,
        "generation": 1,
        "next_seq": 0,
        "checkpoint": None,
        **changes,
    }
    return UnitRun(unit_id=unit_id, sink_id=sink_id, policy=policy or {}, **given)


@dataclass
class Watching(CommitAlways):
    """Writes down what happens and decides by ``verdict``. ``on_ask`` is called when something is asked."""

    verdict: Callable[[Sealed | Records], Verdict] = lambda _: "commit"
    on_ask: Callable[[], None] = lambda: None
    events: list[RunEvent] = field(default_factory=list[RunEvent])
    phases: list[tuple[Phase, int | None]] = field(default_factory=list[tuple[Phase, int | None]])

    def tell(self, event: RunEvent) -> None:
        self.events.append(event)

    def ask(self, event: Sealed | Records) -> Answer:
        self.tell(event)
        self.on_ask()
        return lambda: self.verdict(event)

    def moved(self, phase: Phase, slice_seq: int | None, rows: int, bytes: int) -> None:
        self.phases.append((phase, slice_seq))

    def of(self, *kinds: type[RunEvent]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kinds)]


class PatientListener(CommitAlways):
    """Answers a question when it is waited for, and knows how many were open at once."""

    def __init__(self) -> None:
        self.batches: list[list[NormalizedRecord]] = []
        self.open: deque[Records | Sealed] = deque()
        self.most_open = 0

    def ask(self, event: Sealed | Records) -> Answer:
        if isinstance(event, Records):
            self.batches.append(event.records)
        self.open.append(event)
        self.most_open = max(self.most_open, len(self.open))
        return self._answer

    def _answer(self) -> Verdict:
        self.open.popleft()
        return "commit"


def record(number: int, payload: Mapping[str, Json] | None = None) -> NormalizedRecord:
    return NormalizedRecord(
        entity_type="docs.page",
        logical_id=f"page-{number}",
        display_name=f"Page {number}",
        scope=GraphScope(),
        provenance=Provenance(endpoint_id="", vendor="test"),
        payload=dict(payload or {"n": number}),
    )


class ManyRecords(RecordsSource):
    """Makes each record when it is read."""

    def __init__(self, count: int, make: Callable[[int], NormalizedRecord] = record) -> None:
        super().__init__({})
        self._count = count
        self._make = make

    def read(self, unit_id: str, slice_: Slice, policy: Policy) -> Iterator[NormalizedRecord]:
        return (self._make(number) for number in range(self._count))


class SourceThat(RowsSource):
    """Rows of a test, read by ``read``."""

    def __init__(self, read: Callable[[Slice], Iterator[Any]], count: int = 4) -> None:
        super().__init__(rows_parameters(count))
        self._read = read

    def read(self, unit_id: str, slice_: Slice, policy: Policy) -> Iterator[Row]:
        return self._read(slice_)


def ids(found: Sequence[Row]) -> list[Any]:
    return [row["id"] for row in found]


class Runs:
    """Runs of one unit: five rows, two a slice, into a sink of its own, staged below a directory of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.provider = LocalDiskStaging(root)
        self._store = str(root)

    def carry(
        self,
        observer: Watching | None = None,
        *,
        source: Any = None,
        sink: dict[str, str] | None = None,
        policy: Any = None,
        **changes: Any,
    ) -> Finished:
        run = unit_run(sink_id="lake", policy={"mode": "incremental"} if policy is None else policy, **changes)
        from_ = source or RowsSource(rows_parameters(5))
        return run_unit(
            run, from_, RowsSink({"store": self._store, **(sink or {})}), self.provider, observer or Watching()
        )

    @property
    def stored(self) -> Place:
        return place("dev/shop/rows/lake", self._store)

    @property
    def leftovers(self) -> list[Path]:
        return list(self.root.iterdir()) if self.root.exists() else []
