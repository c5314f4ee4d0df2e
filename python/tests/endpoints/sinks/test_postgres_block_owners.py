"""Owners that carry a unit in blocks: killed anywhere, or standing still with rows on their way."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from postgres_block_child import ROWS, carry, leftovers, notes
from postgres_server import PostgresServer, postgres_server

CHILD = Path(__file__).with_name("postgres_block_child.py")
TESTS = CHILD.parents[2]


@pytest.fixture
def server() -> PostgresServer:
    server = postgres_server()
    server.database(
        "create table orders (id int primary key, note text)",
        f"insert into orders select n, '1' from generate_series(1, {ROWS}) n",
    )
    return server


@contextmanager
def child(server: PostgresServer, what: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(CHILD), what, str(server.directory), str(server.port), *arguments]
    path = ":".join(map(str, (TESTS, CHILD.parent, TESTS.parent / "src")))
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": path}
    ) as process:
        yield process


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


LOADING = ("CopyLoad.write", "CopyLoad.write:", "CopyLoad.finish", "CopyLoad.finish:", "CopyLoad.write:#2")
HIDDEN = (
    "HiddenTable.begin:", "CopyLoad.commit", "HiddenTable.record:", "CopyLoad.commit:", "CopyLoad.commit:#2",
    "CopyLoad.finish:#3", "CopyLoad.commit:#3", "replace",
)  # fmt: skip
HELD = (
    "HeldLoad.write", "HeldLoad.finish:", "HeldLoad.write:#2", "HeldStage.arrive", "HeldStage.arrive:", "Stage.check",
    "Ledger.add:", "Commits._commit:", "Commits._commit:#2",
)  # fmt: skip
STAGED = ("StageTable.begin:", "Stage.check", "Ledger.add:", "Commits._commit:", "Commits._commit:#2")


@pytest.mark.parametrize(
    ("disposition", "points"),
    [
        ("replace", (*LOADING, *HIDDEN, "PostgresSink.complete:")),
        ("merge", HELD),
        ("merge of slices too large to be held", (*LOADING, *STAGED)),
    ],
    ids=["replace", "merge", "merge of large slices"],
)
def test_a_run_killed_anywhere_has_the_rows_it_recorded_and_the_next_one_ends_it(
    server: PostgresServer, disposition: str, points: tuple[str, ...]
) -> None:
    """F07, I7: nothing is lost and nothing doubled, whichever thread was where."""
    with child(server, "die", disposition, *points) as process:
        assert process.stdout is not None
        lines = [json.loads(line) for line in process.stdout]

    assert [line[0] for line in lines] == list(points)
    for point, is_killed, text, seen, recorded, hidden, after, errors, left in lines:
        old, new = [str(int(text) - 1)] * ROWS, [text] * ROWS
        assert (point, is_killed) == (point, True)
        if disposition == "replace":
            is_shown = point == "PostgresSink.complete:"
            assert (point, seen, hidden) == (point, new if is_shown else old, None if is_shown else recorded or hidden)
        else:
            assert (point, seen) == (point, [*new[:recorded], *old[recorded:]])
        assert (point, after, errors, left) == (point, new, [], [])


@pytest.mark.parametrize("point", ["CopyLoad.write:", "CopyLoad.finish:", "HiddenTable.begin:"])
@pytest.mark.parametrize("generation", [1, 2], ids=["of the same generation", "after a reset"])
def test_an_owner_that_stands_with_rows_in_a_hidden_table_keeps_nobody_waiting(
    server: PostgresServer, point: str, generation: int
) -> None:
    """F12: its transaction holds the table, and its session may be in the middle of a COPY."""
    with child(server, "stand", "replace", point) as process:
        assert said(process) == "standing"

        found = carry(server, "replace", generation=generation, epoch=2)

        assert (found.errors, notes(server), leftovers(server)) == ([], ["1"] * ROWS, [])
        go_on(process)
        assert said(process) == "['SinkFenced']"
    assert notes(server) == ["1"] * ROWS


def test_an_owner_that_stands_is_ended_by_one_that_writes_in_the_name_of_a_role(server: PostgresServer) -> None:
    """Sessions are the user's, whatever role they took, and a role may not end them."""
    if not server.rows("postgres", "select from pg_roles where rolname = 'filler'"):
        server.run("postgres", "create role filler")
    rights = ("create on database shop", "usage on schema public", "select on orders")
    server.run("shop", *(f"grant {right} to filler" for right in rights))
    with child(server, "stand", "replace", "CopyLoad.write:", "filler") as process:
        assert said(process) == "standing"

        assert carry(server, "replace", generation=1, epoch=2, role="filler").errors == []

        go_on(process)
        assert said(process) == "['SinkFenced']"
    assert notes(server) == ["1"] * ROWS


def test_an_owner_that_stands_with_its_commit_before_it_is_fenced(server: PostgresServer) -> None:
    with child(server, "stand", "replace", "CopyLoad.commit") as process:
        assert said(process) == "standing"

        assert carry(server, "replace", generation=1, epoch=2).errors == []

        go_on(process)
        assert said(process) == "['SinkFenced']"
    assert (notes(server), leftovers(server)) == (["1"] * ROWS, [])
