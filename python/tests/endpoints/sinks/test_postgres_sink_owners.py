"""Owners that die, stand still or meet another: a slice lands once, whole or not at all, and never by an old owner."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from postgres_server import postgres_server
from postgres_writing import NOTES, PostgresWriting, note

from headrace.errors import SinkFenced

LEDGER = ("_hr_fence", "_hr_commit")
CHILD = Path(__file__).with_name("postgres_child.py")


@pytest.fixture
def writing() -> PostgresWriting:
    server = postgres_server()
    server.database()
    return PostgresWriting(server, server.parameters("shop", statement_timeout_ms="20000"))


@contextmanager
def child(writing: PostgresWriting, what: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    server = writing.server
    process = subprocess.Popen(
        [sys.executable, str(CHILD), what, str(server.directory), str(server.port), *words],
        env={"PYTHONPATH": os.pathsep.join(sys.path)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


# ---- killed

BEFORE_COMMIT = (
    "create",
    "Stage.create:",
    "Stage.load:",
    "Stage.check",
    "Stage.drop:",
    "Ledger.add:",
    "Ledger.pass_fence:#2",
)
AFTER_COMMIT = ("Commits._commit:",)
BEFORE_SHOWN = ("replace", "_rename_key", "Ledger.add:#2", "Ledger.pass_fence:#3")


@pytest.mark.parametrize(
    ("disposition", "points"),
    [
        ("merge", (*BEFORE_COMMIT[3:], *AFTER_COMMIT)),
        ("replace", (*BEFORE_COMMIT, *AFTER_COMMIT, *BEFORE_SHOWN, "PostgresSink.complete:")),
    ],
)
def test_an_owner_killed_anywhere_leaves_all_of_a_slice_or_none_and_the_next_one_ends_it(
    writing: PostgresWriting, disposition: str, points: tuple[str, ...]
) -> None:
    """F07, I7"""
    with child(writing, "die", disposition, *points) as process:
        assert process.stdout is not None
        lines = [json.loads(line) for line in process.stdout]

    assert [line[0] for line in lines] == list(points)
    for point, is_killed, text, seen, recorded, again, leftovers in lines:
        old, new = [str(int(text) - 1)] * 3, [text] * 3
        is_committed = point not in BEFORE_COMMIT
        is_shown = is_committed if disposition == "merge" else point == "PostgresSink.complete:"
        assert (point, is_killed, recorded, seen) == (point, True, int(is_committed), new if is_shown else old)
        assert (point, again, leftovers) == (point, new, [])


# ---- standing still


def test_an_owner_that_stands_within_its_rows_does_not_keep_the_next_one_waiting(writing: PostgresWriting) -> None:
    """F12: its stage table is locked for as long as it stands."""
    target = writing.to("merge")
    with child(writing, "stand", "merge", "copy") as process:
        assert said(process) == "standing"

        writing.put(target, [note(1, "newer")], epoch=2)

        go_on(process)
        assert said(process) == "SinkFenced"
    assert writing.rows() == [(1, "newer")]


@pytest.mark.parametrize("where", ["Stage.load", "Stage.check", "Ledger.add:", "Ledger.pass_fence"])
def test_an_owner_that_stands_within_its_commit_is_fenced_when_it_wakes(writing: PostgresWriting, where: str) -> None:
    """F12: rows and record are written, and the fence is the last thing it comes to."""
    target = writing.to("append")
    with child(writing, "stand", "append", where) as process, ThreadPoolExecutor(1) as beside:
        assert said(process) == "standing"

        next_one = beside.submit(lambda: writing.put(target, [note(1, "newer")], epoch=2))
        while not next_one.done() and not _waits_for_a_lock(writing):
            pass
        go_on(process)

        assert said(process) == "SinkFenced"
        next_one.result()
    assert writing.rows() == [(1, "newer")]


def _waits_for_a_lock(writing: PostgresWriting) -> bool:
    return writing.server.rows("postgres", "select from pg_stat_activity where wait_event_type = 'Lock'") != []


def test_an_owner_that_stands_before_it_shows_a_replacement_shows_nothing(writing: PostgresWriting) -> None:
    with child(writing, "stand", "replace", "PostgresSink.complete") as process:
        assert said(process) == "standing"
        writing.put(writing.to("replace", generation=2), [note(1, "newer")], epoch=2)
        go_on(process)
        assert said(process) == "SinkFenced"

    assert writing.rows() == [(1, "newer")]


def test_an_owner_cannot_stand_still_within_a_transaction_for_longer_than_15_seconds(
    writing: PostgresWriting,
) -> None:
    """Every transaction of ours ends with it, and with it every lock; and what it answered is durable."""
    writing.put(writing.to("replace"), [note(1)])
    writing.server.run(
        "shop",
        "create table said (setting text)",
        "create function say() returns trigger language plpgsql as $$ begin insert into said values (tg_op || ' ' || "
        "current_setting('idle_in_transaction_session_timeout') || ' ' || current_setting('synchronous_commit')); "
        "return new; end $$",
        "create trigger say before insert or update on _hr_fence for each row execute function say()",
        "create trigger say before insert on _hr_commit for each row execute function say()",
        "alter database shop set synchronous_commit = off",
    )
    try:
        writing.put(writing.to("replace", generation=2), [note(1, "new")], epoch=2)
    finally:
        writing.server.run("shop", "alter database shop reset all")

    fence, prepared, slice_, shown = 2, 1, 2, 2
    said = writing.server.rows("shop", "select setting, count(*) from said group by 1 order by 1")
    assert {setting.partition(" ")[2] for setting, _ in said} == {"15s on"}
    assert sum(count for _, count in said) == fence + prepared + slice_ + shown


# ---- meeting another


def test_a_newer_owner_in_another_process_fences_an_older_one(writing: PostgresWriting) -> None:
    target = writing.to("append")
    with child(writing, "stand", "append", "PostgresSink.write") as process:
        assert said(process) == "standing"
        with writing.owner(target, epoch=2):
            go_on(process)
            assert said(process) == "SinkFenced"

    assert writing.rows() == []


@pytest.mark.parametrize("disposition", ["append", "merge", "replace"])
def test_a_control_plane_that_was_restored_loads_everything_again_after_what_the_refusal_says(
    writing: PostgresWriting, disposition: str
) -> None:
    """F16: its epochs and generations are those of runs that the sink has seen already."""
    for generation in (1, 2):
        target = writing.to(disposition, generation)
        writing.put(target, [note(1, "lost"), note(2, "lost")], epoch=generation + 4)
    restored = writing.to(disposition, generation=2)
    with closing(writing.sink()) as sink, pytest.raises(SinkFenced) as refusal:
        sink.high_water(restored, epoch=3)
    said = refusal.value.message
    assert """delete this unit's rows from "public"."_hr_fence" and "public"."_hr_commit", and reset""" in said
    assert (refusal.value.details["newer"], len(f"SINK_FENCED: {said}") < 500) == (6, True)

    writing.server.run("shop", *(f"delete from {name} where unit = '{target.unit}'" for name in LEDGER))
    writing.server.run("shop", *(["truncate orders"] if disposition == "append" else []))
    writing.put(restored, [note(1, "new"), note(2, "new")], epoch=4)

    assert writing.rows() == [(1, "new"), (2, "new")]


def test_two_owners_that_commit_one_slot_at_once_write_it_once(writing: PostgresWriting) -> None:
    """I2: one of them adopts what the other wrote."""
    with child(writing, "race", "append") as process:
        assert process.stdout is not None
        said = sorted(line.strip() for line in process.stdout)

    assert (said, writing.rows()) == (["adopted", "wrote"], [(n, "new") for n in (1, 2, 3)])


def test_a_slot_that_another_history_took_is_not_adopted(writing: PostgresWriting) -> None:
    """I5: its record does not follow what this run has seen."""
    target = writing.to("append")
    writing.put(target, [note(1)], complete=False)
    with writing.owner(target, epoch=2) as sink, closing(writing.staged([note(2)], NOTES)) as session:
        slice_, commit = writing.slice_and_record(target, session.seal(), seq=0, epoch=2, prev_hash="ab" * 32)

        with pytest.raises(SinkFenced, match="does not follow what this run has seen"):
            sink.write(target, slice_, session.reader(), commit)

    assert writing.rows() == [(1, "old")]
