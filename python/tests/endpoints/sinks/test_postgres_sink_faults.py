"""What goes wrong while PostgreSQL is written to: rows land once, or not at all with the reason and the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any, Literal

import pytest
from cutting_proxy import CuttingProxy
from postgres_reading import READER, reader
from postgres_server import postgres_server
from postgres_writing import NOTES, PostgresWriting, note

from headrace.endpoints.sinks import postgres_connection
from headrace.errors import (
    CheckpointAheadOfSink,
    DataPlaneError,
    EndpointUnreachable,
    PermissionDenied,
    RowRejected,
    SchemaChanged,
    SinkAmbiguous,
    SinkFull,
)

ROWS = [note(n, f"row {n}") for n in range(1, 4)]
STORED = [(n, f"row {n}") for n in range(1, 4)]


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_connection, "PAUSE_SECONDS", 0)


@pytest.fixture
def writing() -> PostgresWriting:
    server = postgres_server()
    server.database()
    return PostgresWriting(server, server.parameters("shop"))


@pytest.fixture
def proxy(writing: PostgresWriting) -> Iterator[CuttingProxy]:
    proxy = CuttingProxy(writing.server.sockets, writing.server.port)
    writing.parameters |= {"host": proxy.directory}
    yield proxy
    proxy.close()


def is_commit(asked: bytes) -> bool:
    return b"commit\0" in asked


# ---- connections that break


@pytest.mark.parametrize(("where", "is_adopted"), [("before", False), ("after", True)])
def test_a_slice_whose_commit_broke_off_is_written_once(
    writing: PostgresWriting, proxy: CuttingProxy, where: Literal["before", "after"], is_adopted: bool
) -> None:
    """F17: the record tells whether it happened."""
    target = writing.to("append")
    with writing.owner(target) as sink:
        proxy.cut_once(is_commit, where)

        applied = writing.write(sink, target, ROWS, seq=0, schema=NOTES)

        sink.complete(target, {})
    assert (applied.adopted, proxy.cuts, writing.rows(), writing.leftovers()) == (is_adopted, 1, STORED, [])


@pytest.mark.parametrize(("disposition", "where"), [("append", "before"), ("replace", "after")])
def test_a_connection_that_breaks_at_any_message_doubles_and_loses_nothing(
    writing: PostgresWriting, proxy: CuttingProxy, disposition: str, where: Literal["before", "after"]
) -> None:
    """F17"""
    generation, is_over = 0, False
    while not is_over:
        generation += 1
        writing.server.run("shop", "drop table if exists orders")
        target, left = writing.to(disposition, generation=generation), [2 * generation - 1]

        def countdown(_: bytes, left: list[int] = left) -> bool:
            left[0] -= 1
            return left[0] == 0

        with writing.owner(target, epoch=generation) as sink:
            proxy.cut_once(countdown, where)
            writing.write(sink, target, ROWS, seq=0, epoch=generation, schema=NOTES)
            sink.complete(target, {})
            is_over = left[0] > 0
            proxy.cut_once(lambda _: False, where)  # what is said at the goodbye comes when it comes
        assert (writing.rows(), writing.leftovers()) == (STORED, [])

    assert proxy.cuts == generation - 1 > 5


def test_a_commit_whose_answer_is_lost_with_the_server_is_said_to_be_open_and_settled_by_the_next_run(
    writing: PostgresWriting, proxy: CuttingProxy
) -> None:
    """F15, F17: neither done nor not done is guessed."""
    target = writing.to("append")
    with writing.owner(target) as sink:
        proxy.cut_once(is_commit, "after", for_ever=True)
        with pytest.raises(SinkAmbiguous, match=r"Start the unit again: the commit record says it"):
            writing.write(sink, target, ROWS, seq=0, schema=NOTES)

    writing.parameters["host"] = writing.server.sockets
    with closing(writing.sink()) as later:
        found = later.high_water(target, epoch=2)
    assert found is not None and (found.record.slice_seq, writing.rows()) == (0, STORED)


def test_a_server_that_is_gone_before_the_commit_is_unreachable_and_nothing_is_there(
    writing: PostgresWriting, proxy: CuttingProxy
) -> None:
    target = writing.to("append")
    with writing.owner(target) as sink:
        proxy.cut_once(lambda asked: b"_hr_commit" in asked, "before", for_ever=True)
        with pytest.raises(EndpointUnreachable) as refusal:
            writing.write(sink, target, ROWS, seq=0, schema=NOTES)

    assert (refusal.value.retry, writing.rows()) == ("Later", [])


@pytest.mark.parametrize("code", ["40P01", "40001", "57P01", "08006"])
def test_a_passing_fault_of_the_server_is_tried_again_and_the_slice_is_written_once(
    writing: PostgresWriting, code: str
) -> None:
    """F19"""
    target = writing.to("append")
    with writing.owner(target) as sink:
        faulty(writing, code, times=3)

        writing.write(sink, target, ROWS, seq=0, schema=NOTES)

    assert writing.rows() == STORED


@pytest.mark.parametrize(("table", "action"), [("orders", "insert"), ("_hr_commit", "insert"), ("_hr_fence", "update")])
def test_a_session_that_the_administrator_ends_within_the_commit_is_opened_again(
    writing: PostgresWriting, table: str, action: str
) -> None:
    target = writing.to("append")
    with writing.owner(target) as sink:
        writing.server.run(
            "shop",
            "create sequence happened",
            "create function f() returns trigger language plpgsql as $$ begin if nextval('happened') = 1 "
            "then perform pg_terminate_backend(pg_backend_pid()); end if; return new; end $$",
            f"create trigger f before {action} on {table} for each row execute function f()",
        )

        applied = writing.write(sink, target, ROWS, seq=0, schema=NOTES)

    assert (applied.adopted, writing.rows()) == (False, STORED)
    assert writing.server.rows("shop", "select last_value > 1 from happened") == [(True,)]


def faulty(writing: PostgresWriting, code: str, times: int = 10**9, said: str = "quoting a secret") -> None:
    """The first rows inserted into the target meet this code."""
    writing.server.run(
        "shop",
        "create sequence happened",
        "create function f() returns trigger language plpgsql as $$ begin "
        f"if nextval('happened') <= {times} then raise exception '{said}' using errcode = '{code}'; end if; "
        "return new; end $$",
        "create trigger f before insert on orders for each row execute function f()",
    )


# ---- what the server refuses


@pytest.mark.parametrize(
    ("code", "kind", "remedy"),
    [
        ("53100", SinkFull, "make room"),
        ("53200", EndpointUnreachable, "try again later"),
        ("P0001", RowRejected, "correct the row or the function"),
        ("40P01", EndpointUnreachable, "try again"),
        ("57014", EndpointUnreachable, "statement_timeout_ms"),
        ("XX001", EndpointUnreachable, "look at its log"),
        ("54000", SchemaChanged, "larger than PostgreSQL allows"),
    ],
)
def test_a_fault_of_the_server_is_named_with_its_remedy_and_leaves_nothing(
    writing: PostgresWriting, code: str, kind: type[DataPlaneError], remedy: str
) -> None:
    """F20"""
    target = writing.to("append")
    with writing.owner(target) as sink:
        faulty(writing, code)
        with pytest.raises(kind, match=remedy) as refusal:
            writing.write(sink, target, ROWS, seq=0, schema=NOTES)

    assert (refusal.value.role, refusal.value.details["sqlstate"]) == ("sink", code)
    assert (writing.rows(), writing.leftovers()) == ([], [])
    assert writing.rows("slice_seq, rows", "public._hr_commit") == []


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        ("id bigint primary key, note text", [note(1, "s3cret"), note(1, "s3cret")]),
        ("id bigint, note text unique", [note(1, "s3cret"), note(2, "s3cret")]),
        ("id bigint, note text not null", [note(1, None)]),
        ("id bigint, note text check (note <> 's3cret')", [note(1, "s3cret")]),
        ("id bigint, note varchar(3)", [note(1, "s3cret")]),
        ("id bigint, note uuid", [note(1, "s3cret")]),
        ("id bigint, note inet", [note(1, "s3cret")]),
        ("id bigint, note json", [note(1, "{s3cret")]),
        ("id bigint, note mood", [note(1, "s3cret")]),
        ("id bigint, note text references other (note)", [note(1, "s3cret")]),
    ],
)
def test_a_row_that_the_target_cannot_take_is_refused_without_being_shown(
    writing: PostgresWriting, table: str, rows: list[dict[str, Any]]
) -> None:
    writing.server.run(
        "shop", "create type mood as enum ('ok')", "create table other (note text unique)",
        f"create table orders ({table})",
    )  # fmt: skip

    with pytest.raises(RowRejected) as refusal:
        writing.put(writing.to("append"), rows)

    assert "s3cret" not in f"{refusal.value.message}{refusal.value.details}"
    assert (writing.rows("count(*), null"), writing.leftovers()) == ([(0, None)], [])


@pytest.mark.parametrize(
    ("grants", "said"),
    [
        ((), "permission denied for schema public"),
        (("usage on schema public",), "permission denied for schema public"),
        (("usage, create on schema public",), "permission denied for table orders"),
        (("usage, create on schema public", "insert (id) on orders"), "permission denied for table orders"),
    ],
)
def test_a_user_without_the_rights_is_told_which_one_is_missing(
    writing: PostgresWriting, grants: tuple[str, ...], said: str
) -> None:
    writing.server.run("shop", "create table orders (id bigint, note text)")
    writing.parameters = reader(writing.server, "shop", *grants)

    with pytest.raises(PermissionDenied, match=rf"{said} \(42501\)\. Grant the privilege"):
        writing.put(writing.to("append"), ROWS)

    assert writing.rows() == []


def test_a_user_who_may_not_make_the_schema_is_told_so(writing: PostgresWriting) -> None:
    writing.parameters = reader(writing.server, "shop") | {"schemas": "lake"}

    with pytest.raises(PermissionDenied, match="permission denied for database shop"):
        writing.put(writing.to("append"), ROWS)


def test_a_server_that_stores_nothing_is_refused(writing: PostgresWriting) -> None:
    """A replica, or a session that is read-only by its settings."""
    writing.server.run("shop", "alter database shop set default_transaction_read_only = on")
    try:
        with pytest.raises(PermissionDenied, match=r"read-only.* use the primary"):
            writing.put(writing.to("append"), ROWS)
    finally:
        with writing.server.connect("postgres") as connection:
            connection.execute("alter database shop reset all")


def test_a_user_with_no_connection_left_is_told_so(writing: PostgresWriting) -> None:
    writing.parameters = reader(writing.server, "shop", "usage, create on schema public")
    writing.server.run("postgres", f"alter role {READER} connection limit 0")
    try:
        with pytest.raises(EndpointUnreachable, match="no connection left for user reader: too many connections"):
            writing.put(writing.to("append"), ROWS)
    finally:
        writing.server.run("postgres", f"alter role {READER} connection limit -1")


@pytest.mark.parametrize("disposition", ["append", "replace"])
def test_nothing_is_written_behind_a_slice_that_a_failover_lost(writing: PostgresWriting, disposition: str) -> None:
    """F16, within a run: the standby that took over never had the slice before, and its answer was given."""
    target = writing.to(disposition)
    with writing.owner(target) as sink:
        writing.write(sink, target, ROWS, seq=0, schema=NOTES)
        writing.server.run("shop", "delete from _hr_commit")
        left = writing.rows()

        with pytest.raises(CheckpointAheadOfSink, match=r"does not hold slice 0 .*Start the unit again"):
            writing.write(sink, target, ROWS, seq=1, schema=NOTES)

    assert (writing.rows(), writing.server.rows("shop", "select from _hr_commit")) == (left, [])
