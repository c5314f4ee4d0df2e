"""Whole runs in blocks, in processes of their own: run by ``test_postgres_block_owners.py``.

The disposition comes first; more words behind it say that no slice is small.
``die POINTS``: for every point a forked child carries the unit anew, two rows a
slice, and is killed with SIGKILL when one of its threads comes there. What is
there then is printed; the next owner carries the unit to its end.
``stand POINT``: one owner says ``standing`` when it comes there and goes on when
it is told to; how its run ended is printed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from postgres_child import Standing, forked
from postgres_reading import carried
from postgres_server import PostgresServer

from headrace.endpoints.sinks import postgres_held
from headrace.events import Finished

UNIT = "public.orders"
ROWS = 5


def in_any_thread(point: str, act: Callable[[], None]) -> None:
    """Act once, before the function of that name runs the given time, ``name#2``; ``name:`` is after it."""
    function, _, number = point.partition("#")
    event = "return" if function.endswith(":") else "call"
    left, counting = int(number or 1), threading.Lock()

    def on_event(frame: FrameType, happened: str, _: Any) -> None:
        nonlocal left
        is_it = happened == event and frame.f_code.co_qualname == function.removesuffix(":")
        if is_it and "/postgres" in frame.f_code.co_filename:
            with counting:
                left -= 1
                is_now = left == 0
            if is_now:
                act()

    threading.setprofile(on_event)
    sys.setprofile(on_event)


def carry(server: PostgresServer, disposition: str, generation: int, epoch: int, role: str = "") -> Finished:
    policy: dict[str, Any] = {"mode": "full", "writeDisposition": disposition, "targetSliceSize": 2}
    source = server.parameters("shop", role=role)
    return carried(source, {**source, "schemas": "lake"}, UNIT, policy, generation=generation, epoch=epoch)


def die(server: PostgresServer, disposition: str, points: list[str]) -> None:
    """A generation a point."""
    assert carry(server, disposition, 1, 1).errors == []
    for generation, point in enumerate(points, 2):
        server.run("shop", f"update orders set note = '{generation}'")

        def run(point: str = point, generation: int = generation) -> None:
            in_any_thread(point, lambda: os.kill(os.getpid(), signal.SIGKILL))
            carry(server, disposition, generation, 2 * generation)

        is_killed = os.WIFSIGNALED(forked(run))
        before = [notes(server), rows_recorded(server, generation), rows_hidden(server, generation)]
        found = carry(server, disposition, generation, 2 * generation + 1)
        after = [notes(server), [error.message for error in found.errors], leftovers(server)]
        print(json.dumps([point, is_killed, str(generation), *before, *after]), flush=True)


def notes(server: PostgresServer) -> list[str]:
    return [note for (note,) in server.rows("shop", "select note from lake.orders order by id")]


def rows_recorded(server: PostgresServer, generation: int) -> int:
    said = f"select coalesce(sum(rows), 0)::int from lake._hr_commit where generation = {generation} and slice_seq >= 0"
    return server.rows("shop", said)[0][0]


def rows_hidden(server: PostgresServer, generation: int) -> int | None:
    """None once it is not hidden any more."""
    name = f"lake._headrace_g{generation}_orders"
    if server.rows("shop", f"select to_regclass('{name}')") == [(None,)]:
        return None
    return server.rows("shop", f"select count(*) from {name}")[0][0]


def leftovers(server: PostgresServer) -> list[str]:
    said = "select relname::text from pg_class where relkind = 'r' and relname ~ '^_(hr_stage|headrace_g)'"
    return [name for (name,) in server.rows("shop", said)]


def stand(server: PostgresServer, disposition: str, point: str, role: str = "") -> None:
    in_any_thread(point, Standing())
    found = carry(server, disposition, 1, 1, role)
    print([error.tag for error in found.errors], flush=True)


def main(what: str, directory: str, port: str, disposition: str, *rest: str) -> None:
    server = PostgresServer(Path(directory), int(port))
    disposition, _, is_large = disposition.partition(" ")
    if is_large:
        postgres_held.HELD_BYTES = 0
    if what == "die":
        die(server, disposition, list(rest))
    else:
        stand(server, disposition, *rest)


if __name__ == "__main__":
    main(*sys.argv[1:])
