"""From table to table in blocks of binary COPY: when, what passes that Arrow refuses, and that nothing looks inside."""

from __future__ import annotations

import gc
import hashlib
import re
import sys
import threading
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

import pytest
from carrying import Watching
from postgres_reading import ArrowSource, NotingSource, carried
from postgres_server import PostgresServer, postgres_server
from postgres_values import REFUSED

from headrace.endpoints.sources.postgres import PostgresSource
from headrace.events import Finished, Phase, Sealed

UNIT = "public.orders"
FULL = {"mode": "full"}
BY_ID: Mapping[str, Any] = {"mode": "incremental", "cursorField": "id"}
SHOP = "create table orders (id int primary key, note text)"


@pytest.fixture
def server() -> PostgresServer:
    return postgres_server()


class Way:
    """From ``shop`` to its schema ``lake``, and what the source yielded on the way."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.shapes: set[str] = set()

    def carry(self, policy: Mapping[str, Any] = FULL, epoch: int = 1, **parameters: str) -> Finished:
        source, made = self.server.parameters("shop", **parameters), list[NotingSource]()

        def noting(given: Mapping[str, str]) -> NotingSource:
            made.append(NotingSource(given))
            return made[0]

        to = self.server.parameters("shop", schemas="lake")
        found = carried(source, to, UNIT, policy, reads=noting, epoch=epoch, generation=epoch)
        self.shapes = made[0].shapes
        return found

    def stored(self, what: str = "*") -> list[Any]:
        return self.server.rows("shop", f"select {what} from lake.orders order by 1")


@pytest.fixture
def way(server: PostgresServer) -> Way:
    return Way(server)


# ---- when


@pytest.mark.parametrize("policy", [FULL, {**FULL, "writeDisposition": "append"}, BY_ID])
def test_rows_travel_in_blocks_from_postgres_to_postgres_however_they_land(way: Way, policy: Any) -> None:
    way.server.database(SHOP, "insert into orders select n, 'note ' || n from generate_series(1, 50) n")

    found = way.carry({**policy, "targetSliceSize": 20})

    assert (found.errors, found.stats["applied_rows"], found.stats["slices"]) == ([], 50, 3)
    assert way.shapes == {"NativeBlock"}
    assert way.stored() == way.server.rows("shop", "select * from orders order by 1")


@pytest.mark.parametrize(
    ("existing", "shape"),
    [
        ("id int primary key, note text", "NativeBlock"),
        ("id int primary key, note varchar", "NativeBlock"),
        ("id bigint primary key, note text", "RecordBatch"),
        ("id int primary key, note varchar(20)", "RecordBatch"),
    ],
    ids=["equal types", "a type sent in the same bytes", "a wider type", "a bound that values may pass"],
)
def test_rows_travel_as_arrow_into_columns_that_do_not_take_what_is_sent(way: Way, existing: str, shape: str) -> None:
    way.server.database(
        SHOP, "insert into orders values (1, 'a')", "create schema lake", f"create table lake.orders ({existing})"
    )

    found = way.carry(BY_ID)

    assert (found.errors, way.shapes, way.stored()) == ([], {shape}, [(1, "a")])


def test_rows_travel_as_arrow_where_libpq_has_a_setting_that_the_reader_of_blocks_has_not(way: Way) -> None:
    way.server.database(SHOP, "insert into orders values (1, 'a')")

    found = way.carry(additional_parameters='{"channel_binding": "disable"}')

    assert (found.errors, way.shapes, way.stored()) == ([], {"RecordBatch"}, [(1, "a")])


def test_a_slice_for_which_blocks_get_no_connection_is_read_as_arrow(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncpg

    async def refusing(*_: Any, **__: Any) -> Any:
        raise OSError("no way in")

    way.server.database("create table orders (id int primary key, note char(3), at timestamp(3))")
    way.server.run("shop", "insert into orders values (1, 'a', '2024-01-01 00:00:00.123')")
    monkeypatch.setattr(asyncpg, "connect", refusing)

    found = way.carry()

    assert (found.errors, way.shapes) == ([], {"RecordBatch"})
    assert way.stored("id, note::bytea, at::text") == [(1, b"a  ", "2024-01-01 00:00:00.123")]


# ---- what


@pytest.mark.parametrize(("declared", "value"), REFUSED)
def test_what_arrow_cannot_say_passes_as_it_is(way: Way, declared: str, value: str) -> None:
    way.server.database(
        f"create table orders (id int primary key, v {declared})", f"insert into orders values (1, {value})"
    )

    found = way.carry()

    assert (found.errors, way.shapes) == ([], {"NativeBlock"})
    assert way.stored("v::text, pg_typeof(v)::text") == way.server.rows(
        "shop", "select v::text, pg_typeof(v)::text from orders"
    )


@pytest.mark.parametrize("reads", [PostgresSource, ArrowSource], ids=["blocks", "arrow"])
def test_blanks_of_an_arrays_elements_belong_to_them(server: PostgresServer, reads: Any) -> None:
    server.database(
        "create table orders (id int primary key, v char(3)[])",
        "insert into orders values (1, array['a', null, 'b\"', '{,'])",
    )

    found = carried(server.parameters("shop"), server.parameters("shop", schemas="lake"), UNIT, FULL, reads=reads)

    assert (found.errors, server.rows("shop", "select v from lake.orders")) == ([], [(["a  ", None, 'b" ', "{, "],)])


def test_a_replaced_table_has_the_key_and_the_types_of_its_source(way: Way) -> None:
    way.server.database(
        "create table orders (b varchar(44) not null, a int not null, c char(25), d numeric(15,2), primary key (b, a))",
        "insert into orders values ('x', 1, 'y', 1.25)",
    )
    described = (
        "select attname::text, format_type(atttypid, atttypmod), (select array_position(conkey, attnum) from "
        "pg_constraint where conrelid = attrelid and contype = 'p') from pg_attribute "
        "where attrelid = '{}'::regclass and attnum > 0 order by attnum"
    )

    for epoch in (1, 2):
        assert way.carry(epoch=epoch).errors == []

        assert way.server.rows("shop", described.format("lake.orders")) == way.server.rows(
            "shop", described.format("orders")
        )


def test_an_empty_table_is_made_with_the_types_of_its_source(way: Way) -> None:
    way.server.database("create table orders (id int primary key, note char(3))")

    assert way.carry().errors == []

    assert way.server.rows(
        "shop",
        "select format_type(atttypid, atttypmod) from pg_attribute "
        "where attrelid = 'lake.orders'::regclass and attname = 'note'",
    ) == [("character(3)",)]


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("char(3)", "'abcd'", r"longer or shorter than character\(3\)"),
        ("char(3)", "'ab '", r"longer or shorter than character\(3\)"),
        ("timestamp(3)", "timestamp '2024-01-01 00:00:00.1234'", r"more precise than timestamp\(3\)"),
    ],
)
def test_a_value_of_arrow_that_a_bounded_column_would_change_is_refused(
    way: Way, column: str, value: str, why: str
) -> None:
    """The source's column has lost its bound since blocks made the target's."""
    unbounded = "text" if column.startswith("char") else "timestamp"
    way.server.database(f"create table orders (id int primary key, v {column})")
    assert way.carry(BY_ID).errors == []
    way.server.run(
        "shop",
        f"alter table orders alter v type {unbounded}",
        f"insert into orders values (1, {value.replace('ab ', 'ab')})",
    )

    found = way.carry(BY_ID)

    (error,) = found.errors
    assert error.tag == "RowRejected" and re.search(why, error.message)
    assert way.stored() == []


# ---- how


class Counting(Watching):
    """Counts what our own code calls and is called for, in whatever thread, and the most objects there were at once."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.most_objects = 0

    def moved(self, phase: Phase, slice_seq: int | None, rows: int, bytes: int) -> None:
        self.most_objects = max(self.most_objects, sys.getallocatedblocks())

    def counted(self, carry: Callable[[], Finished]) -> Finished:
        def on_event(frame: FrameType, *_: Any) -> None:
            self.calls += "/headrace/" in frame.f_code.co_filename

        gc.collect()
        before = sys.getallocatedblocks()
        threading.setprofile(on_event)
        sys.setprofile(on_event)
        try:
            return carry()
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # pyright: ignore[reportArgumentType]
            self.most_objects -= before


@pytest.mark.parametrize("disposition", ["replace", "append", "merge"])
@pytest.mark.parametrize("reads", [PostgresSource, ArrowSource], ids=["blocks", "arrow"])
def test_ten_times_the_rows_are_no_more_objects_of_python(server: PostgresServer, reads: Any, disposition: str) -> None:
    """Neither one for each row or value, nor a call for each. A server sends 8 KiB at once, or 300 such rows."""
    counts: dict[int, Counting] = {}
    policy = {"mode": "full", "writeDisposition": disposition, "primaryKeys": ["id"]}
    for rows in (1, 10_000, 100_000):  # the first loads what is loaded once
        server.database(SHOP, f"insert into orders select n, 'note ' || n from generate_series(1, {rows}) n")
        source, counting = server.parameters("shop"), Counting()
        to = {**source, "schemas": "lake"}
        found = counting.counted(lambda to=to, s=source, c=counting: carried(s, to, UNIT, policy, c, reads=reads))
        assert (found.errors, found.stats["applied_rows"]) == ([], rows)
        counts[rows] = counting

    few, many = counts[10_000], counts[100_000]
    assert many.calls - few.calls < 90_000 / 10
    assert many.most_objects - few.most_objects < 90_000 / 50


def test_a_slice_is_sealed_over_the_very_bytes_that_the_sink_was_given(way: Way) -> None:
    way.server.database(SHOP, "insert into orders select n, 'note' from generate_series(1, 50) n")
    watching, sources = Watching(), list[NotingSource]()

    def noting(given: Mapping[str, str]) -> NotingSource:
        sources.append(NotingSource(given))
        return sources[0]

    source = way.server.parameters("shop")
    carried(source, {**source, "schemas": "lake"}, UNIT, FULL, watching, reads=noting)

    data = b"".join(block.data for block in sources[0].yielded)
    head = f"headrace native 1\npgcopy {50}\n".encode()
    (sealed,) = watching.of(Sealed)
    assert sealed.sha256 == hashlib.sha256(head + hashlib.sha256(data).digest()).hexdigest()
    assert (sealed.rows, sealed.bytes) == (50, len(data))
    assert way.server.rows("shop", "select encode(sha256, 'hex') from lake._hr_commit where slice_seq = 0") == [
        (sealed.sha256,)
    ]
