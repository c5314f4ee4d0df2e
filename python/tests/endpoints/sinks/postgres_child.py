"""Owners of a unit in processes of their own, told what by their arguments: run by ``test_postgres_sink_owners.py``.

``die POINTS``: for every point one forked child writes a slice, and is killed
with SIGKILL when it comes there. What a stranger then sees is printed, then the
run is done again by the next owner.
``stand WHERE``: one owner writes a slice, says ``standing`` when it comes
there and goes on when it is told to; what became of it is printed.
``race``: two children write the same slot at the same moment.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any

import pyarrow as pa
from postgres_server import PostgresServer
from postgres_writing import NOTES, PostgresWriting, note

from headrace.endpoint import Target
from headrace.errors import DataPlaneError


def rows(text: str = "new") -> list[dict[str, Any]]:
    return [note(1, text), note(2, text), note(3, text)]


def at_call(point: str, act: Callable[[], None]) -> None:
    """Act before the sink's function ``name`` runs, or its second call, ``name#2``; ``name:`` is after it."""
    function, _, number = point.partition("#")
    event = "return" if function.endswith(":") else "call"
    left = int(number or 1)

    def on_event(frame: FrameType, happened: str, _: Any) -> None:
        nonlocal left
        is_it = happened == event and frame.f_code.co_qualname == function.removesuffix(":")
        left -= is_it and "/postgres" in frame.f_code.co_filename
        if left == 0:
            sys.setprofile(None)
            act()

    sys.setprofile(on_event)


def forked(run: Callable[[], None]) -> int:
    """Run in a forked child; its wait status."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            run()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1]


def die(writing: PostgresWriting, disposition: str, points: list[str]) -> None:
    """A generation a point; each finds what the one before it left, and is done again by a newer owner."""
    writing.put(writing.to(disposition), rows("1"))
    for generation, point in enumerate(points, 2):
        target, text = writing.to(disposition, generation=generation), str(generation)

        def run(point: str = point, target: Target = target, text: str = text, epoch: int = 2 * generation) -> None:
            at_call(point, lambda: os.kill(os.getpid(), signal.SIGKILL))
            writing.put(target, rows(text), epoch=epoch)

        is_killed = os.WIFSIGNALED(forked(run))
        seen = [text for _, text in writing.rows()]
        recorded = writing.server.rows(
            "shop", f"select count(*) from _hr_commit where generation = {generation} and slice_seq = 0"
        )
        writing.put(target, rows(text), epoch=2 * generation + 1)
        again = [text for _, text in writing.rows()]
        print(json.dumps([point, is_killed, text, seen, recorded[0][0], again, writing.leftovers()]), flush=True)


class Standing:
    """Says that it stands, and goes on when it reads a line."""

    def __call__(self) -> None:
        print("standing", flush=True)
        sys.stdin.readline()


class ReaderThatStands:
    """Stands in the middle of the rows: within the COPY into the stage table."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.schema = reader.schema

    def iter_arrow(self, max_bytes: int = 1) -> Iterator[pa.RecordBatch]:
        for batch in self._reader.iter_arrow():
            yield batch
            Standing()()


def stand(writing: PostgresWriting, disposition: str, where: str) -> None:
    target = writing.to(disposition)
    try:
        with writing.owner(target, epoch=1) as sink:
            session, slice_, commit = writing.sealed(target, rows())
            with closing(session):
                if where == "copy":
                    applied = sink.write(target, slice_, ReaderThatStands(session.reader()), commit)  # pyright: ignore[reportArgumentType]
                else:
                    at_call(where, Standing())
                    applied = sink.write(target, slice_, session.reader(), commit)
            sink.complete(target, {})
        print(f"wrote, adopted: {applied.adopted}", flush=True)
    except DataPlaneError as error:
        print(type(error).__name__, flush=True)


def race(writing: PostgresWriting, disposition: str) -> None:
    """Both stand before their commit until both are there."""
    target = writing.to(disposition)
    ends = [os.pipe() for _ in range(2)]
    pids: list[int] = []
    for mine, other in ((0, 1), (1, 0)):
        pid = os.fork()
        if pid == 0:
            try:
                with writing.owner(target, epoch=1) as sink:

                    def meet(mine: int = mine, other: int = other) -> None:
                        os.write(ends[mine][1], b"!")
                        os.read(ends[other][0], 1)

                    at_call("Ledger.add", meet)
                    applied = writing.write(sink, target, rows(), seq=0, schema=NOTES)
                    os.write(1, b"adopted\n" if applied.adopted else b"wrote\n")
            finally:
                os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)


def main(what: str, directory: str, port: str, disposition: str, *rest: str) -> None:
    server = PostgresServer(Path(directory), int(port))
    writing = PostgresWriting(server, server.parameters("shop"))
    if what == "die":
        die(writing, disposition, list(rest))
    elif what == "stand":
        stand(writing, disposition, rest[0])
    else:
        race(writing, disposition)


if __name__ == "__main__":
    main(*sys.argv[1:])
