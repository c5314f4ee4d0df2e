"""Owners of a unit that are killed, each in a process of its own: run by ``test_iceberg_sink_owners.py``.

``PARAMETERS DISPOSITION POINTS``: for every point one child writes a slice, and
is killed with SIGKILL when it comes there. What a stranger then sees is printed,
then what there is when the next owner has done it again. This process never
calls a library with threads, which a child that is forked would miss.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import closing
from types import FrameType
from typing import Any

from iceberg_writing import IcebergWriting, note


def at_call(point: str, act: Callable[[], None]) -> None:
    """Act before the sink's function ``name`` runs, or its second call, ``name#2``; ``name:`` is after it."""
    function, _, number = point.partition("#")
    event = "return" if function.endswith(":") else "call"
    left = int(number or 1)

    def on_event(frame: FrameType, happened: str, _: Any) -> None:
        nonlocal left
        is_it = happened == event and frame.f_code.co_qualname == function.removesuffix(":")
        left -= is_it and "/iceberg_" in frame.f_code.co_filename
        if left == 0:
            sys.setprofile(None)
            act()

    sys.setprofile(on_event)


def forked(run: Callable[[], Any]) -> tuple[bool, Any]:
    """Run in a forked child; whether it was killed, and what it answered."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.write(writing, json.dumps(run()).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        said = answer.read()
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1]), json.loads(said) if said else None


def die(writing: IcebergWriting, disposition: str, points: list[str]) -> None:
    """A generation a point; each finds what the one before it left, and is done again by a newer owner."""
    forked(lambda: done(writing, disposition, 1, 1))
    for generation, point in enumerate(points, 2):

        def killed(point: str = point, generation: int = generation) -> None:
            at_call(point, lambda: os.kill(os.getpid(), signal.SIGKILL))
            done(writing, disposition, generation, 2 * generation)

        is_killed, _ = forked(killed)
        _, (seen, is_recorded) = forked(lambda generation=generation: left(writing, disposition, generation))
        _, again = forked(lambda generation=generation: done(writing, disposition, generation, 2 * generation + 1))
        print(json.dumps([point, is_killed, seen, is_recorded, again]), flush=True)


def done(writing: IcebergWriting, disposition: str, generation: int, epoch: int) -> list[str]:
    text = str(generation)
    writing.put(
        writing.to(disposition, generation), [note(1, text), note(2, text), note(3, text)], epoch=epoch
    )  # fmt: skip
    return [text for _, text in writing.notes()]


def left(writing: IcebergWriting, disposition: str, generation: int) -> tuple[list[str], bool]:
    seen = [text for _, text in writing.notes()]
    with closing(writing.sink()) as sink:
        return seen, sink.high_water(writing.to(disposition, generation), 2 * generation) is not None


if __name__ == "__main__":
    given, disposition, *points = sys.argv[1:]
    die(IcebergWriting(json.loads(given)), disposition, points)
