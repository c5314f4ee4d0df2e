"""Forty kinds of poisoned values on their way into every sink: each stays behind alone, or is carried exactly."""

from __future__ import annotations

import datetime
import math
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from carrying import SourceThat, Watching, unit_run
from postgres_server import postgres_server

from headrace.endpoints.sinks.local_files import LocalFilesSink
from headrace.endpoints.sinks.postgres import PostgresSink
from headrace.events import Finished
from headrace.run import run_unit
from headrace.stagings.in_memory import InMemoryStaging
from headrace.testing.row_sink import RowsSink, place

GOOD_BEFORE, GOOD_AFTER = 20, 20


class Unsayable:
    """A value of a type that no column has."""


AMONG_NUMBERS: dict[str, Any] = {
    "text": "12", "a fraction": 1.5, "NaN": math.nan, "infinity": math.inf, "wider than 64 bits": 2**63,
    "narrower than 64 bits": -(2**63) - 1, "a decimal": Decimal("1.5"), "NaN of a decimal": Decimal("NaN"),
    "a signalling NaN": Decimal("sNaN"), "a decimal without an end": Decimal("Infinity"), "true": True, "bytes": b"1",
    "a uuid": uuid.UUID(int=1), "a duration": datetime.timedelta(1), "a day": datetime.date(2024, 1, 1),
    "a complex number": 1j,
    "a set": {1}, "a tuple": (1,), "an object of a class": Unsayable(), "a function": len, "a range": range(3),
}  # fmt: skip
"""Beside integers; each is a row that staging cannot carry in the column."""

AMONG_TEXTS: dict[str, Any] = {
    "a number": 5, "a lone high surrogate": "a\ud800", "a lone low surrogate": "\udc00b", "bytes": b"text",
    "true": True, "a moment": datetime.datetime(2024, 1, 1), "a class": Unsayable,
}  # fmt: skip

AMONG_MOMENTS: dict[str, Any] = {
    "another zone": datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=2))),
    "a day": datetime.date(2024, 1, 1),
    "with a zone": datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC),
    "text": "2024-01-01",
}

AS_ARROW: dict[str, tuple[Callable[[], pa.Array], pa.Array]] = {
    "NUL in text": (lambda: pa.array(["a\0b"]), pa.array(["fine"])),
    "NUL in a list of texts": (lambda: pa.array([["ok", "a\0"]]), pa.array([["fine"]])),
    "text that is no UTF-8": (lambda: pa.array([b"\xff\xfe"]).view(pa.string()), pa.array(["fine"])),
    "nanoseconds": (lambda: pa.array([1], pa.timestamp("ns")), pa.array([1000], pa.timestamp("ns"))),
    "nanoseconds of a day": (lambda: pa.array([1], pa.time64("ns")), pa.array([1000], pa.time64("ns"))),
    "before 4714 BC": (lambda: pa.array([-3_000_000], pa.date32()), pa.array([0], pa.date32())),
    "a moment before 4714 BC": (lambda: pa.array([-(2**62)], pa.timestamp("us")), pa.array([0], pa.timestamp("us"))),
    "milliseconds beyond a day": (lambda: pa.array([1], pa.date64()).cast(pa.date64()), pa.array([0], pa.date64())),
}
"""What Arrow says and PostgreSQL does not; Parquet carries some of it exactly."""

NO_VALUES = {"text that is no UTF-8", "milliseconds beyond a day"}
"""Arrays hold them, and they are no values of their types."""


class Into:
    """One sink, and what a stranger finds in it."""

    def __init__(self, sink: Any, count: Callable[[], int]) -> None:
        self.sink = sink
        self.count = count


@pytest.fixture(params=["jdbc.postgres", "file.local", "rows"])
def into(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Into]:
    if request.param == "jdbc.postgres":
        server = postgres_server()
        server.database(name="lake")
        sink: Any = PostgresSink(server.parameters("lake"))
        found = Into(sink, lambda: server.rows("lake", "select count(*)::int from rows")[0][0])
    elif request.param == "file.local":
        sink = LocalFilesSink({"base_path": str(tmp_path)})
        found = Into(sink, lambda: sum(pq.read_metadata(part).num_rows for part in tmp_path.rglob("part-*.parquet")))
    else:
        sink = RowsSink({"store": str(tmp_path)})
        found = Into(sink, lambda: len(place("dev/shop/rows/lake", str(tmp_path)).rows))
    with closing(sink):
        yield found


def carried(into: Into, items: Sequence[Any]) -> tuple[Finished, Watching]:
    watching = Watching()
    policy = {"writeDisposition": "append", "quarantine": {"maxRows": 5, "maxRatio": 1}}
    run = unit_run("rows", sink_id="lake", policy=policy)
    finished = run_unit(run, SourceThat(lambda _: iter(items), 1), into.sink, InMemoryStaging(), watching)
    return finished, watching


ROWS = [
    *[pytest.param(1, value, id=f"among numbers: {name}") for name, value in AMONG_NUMBERS.items()],
    *[pytest.param("text", value, id=f"among texts: {name}") for name, value in AMONG_TEXTS.items()],
    *[
        pytest.param(datetime.datetime(2024, 1, 1), value, id=f"among moments: {name}")
        for name, value in AMONG_MOMENTS.items()
    ],
]


@pytest.mark.parametrize(("good", "bad"), ROWS)
def test_a_value_of_another_kind_stays_behind_alone(into: Into, good: Any, bad: Any) -> None:
    items = [{"c": good}] * GOOD_BEFORE + [{"c": bad}] + [{"c": good}] * GOOD_AFTER

    finished, _ = carried(into, items)

    assert finished.errors == []
    counts = {key: finished.stats[key] for key in ("exported_rows", "applied_rows", "rejected_rows")}
    assert counts == {"exported_rows": 41, "applied_rows": 40, "rejected_rows": 1}
    assert finished.stats["rejected"]["samples"][0]["position"] == GOOD_BEFORE
    assert into.count() == 40


@pytest.mark.parametrize("name", AS_ARROW)
def test_a_value_that_arrow_says_is_carried_exactly_or_stays_behind_alone(into: Into, name: str) -> None:
    bad, good = AS_ARROW[name]
    column = pa.concat_arrays([*[good] * GOOD_BEFORE, bad(), *[good] * GOOD_AFTER])

    finished, _ = carried(into, [pa.record_batch([column], names=["c"])])

    if isinstance(into.sink, RowsSink) and finished.errors:
        # It reads rows of Python and cannot say beforehand what it would refuse.
        assert [error.tag for error in finished.errors] in (["RowRejected"], ["Bug"])
        assert into.count() == 0
        return
    assert finished.errors == []
    written, rejected = finished.stats["applied_rows"], finished.stats["rejected_rows"]
    assert (written + rejected, into.count()) == (41, written)
    is_refused = isinstance(into.sink, PostgresSink) or (isinstance(into.sink, LocalFilesSink) and name in NO_VALUES)
    assert rejected == int(is_refused)
    for sample in finished.stats.get("rejected", {}).get("samples", []):
        assert (sample["position"], sample["column"]) == (GOOD_BEFORE, "c")


def test_there_are_forty_kinds() -> None:
    assert len(ROWS) + len(AS_ARROW) == 40
