"""A process that writes slices and meets the worst: run by ``test_local_files_faults.py``, told what by its arguments.

``crash BASE SCENARIO``: for every line that the sink runs, one forked child is
killed with SIGKILL just before it first runs; what a reader then sees is printed, one JSON
line a child, then the whole run is done again by a new owner.
``race BASE ROUNDS``: two children take the same slot at the same moment.
``full BASE``: writes slices until the disk, or the file size limit, refuses.
``as USER BASE``: writes one slice as another user.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from local_files_kit import described, ids, land, leftovers, record_of, rows, sink, target, visible, write

from headrace.endpoint import Target
from headrace.endpoints.sinks.local_files_attempts import sweep_leftovers
from headrace.errors import DataPlaneError


def _kill_before_line(number: int) -> None:
    """SIGKILL this process when it is about to run the ``number``-th of the sink's lines that it never ran before."""
    ran: set[tuple[str, int]] = set()

    def on_line(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            ran.add((frame.f_code.co_filename, frame.f_lineno))
            if len(ran) == number:
                os.kill(os.getpid(), signal.SIGKILL)
        return on_line

    def on_call(frame: FrameType, event: str, _: Any) -> Any:
        return on_line if "local_files" in frame.f_code.co_filename and "/src/" in frame.f_code.co_filename else None

    sys.settrace(on_call)


def _forked(run: Any) -> int:
    """Run in a forked child; the wait status."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            run()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1]


def _slots(base: Path) -> list[str]:
    return [str(path.relative_to(base).parent) for path in visible(base)]


def _torn(base: Path) -> list[str]:
    """Slots whose rows and record disagree: there should never be one."""
    return [str(path) for path in visible(base) if pq.read_metadata(path).num_rows != record_of(path.parent)["rows"]]


def crash(base: Path, scenario: str) -> None:
    old, new = SCENARIOS[scenario]
    before = base.with_name("before")
    before.mkdir()
    if old is not None:
        land(before, old, rows(1, 2), rows(3))
    point = 0
    while True:
        point += 1
        shutil.rmtree(base, ignore_errors=True)
        shutil.copytree(before, base)

        def run(point: int = point) -> None:
            _kill_before_line(point)
            land(base, new, rows(4, 5, 6), epoch=2)

        status = _forked(run)
        seen, torn = ids(base), _torn(base)
        _go_on(base, new, first_seq=2 if old is not None and old.generation == new.generation else 0)
        print(json.dumps({"seen": seen, "torn": torn, "then": ids(base), "left": len(leftovers(base))}))
        if os.WIFEXITED(status):
            sys.exit(os.WEXITSTATUS(status))


def _go_on(base: Path, new: Target, first_seq: int) -> None:
    """A new owner finishes what the dead one began, and sweeps as if a day had passed."""
    high = sink(base).high_water(new, 3)
    if high is None or high.record.slice_seq < first_seq:
        land(base, new, rows(4, 5, 6), epoch=3)
    sink(base).complete(new, {})
    sweep_leftovers(base, older_than_seconds=-1)


def race(base: Path, rounds: int) -> None:
    into = sink(base)
    into.prepare(target(), described(rows()), {})
    for seq in range(rounds):
        gate_read, gate_write = os.pipe()
        answers = [os.pipe(), os.pipe()]
        pids: list[int] = []
        for writer, (_, answer) in enumerate(answers):
            pid = os.fork()
            if pid == 0:
                os.close(gate_write)
                os.read(gate_read, 1)
                applied = write(sink(base), target(), seq, rows(*[writer * 1000 + seq] * (writer + 1)))
                os.write(answer, json.dumps([applied.adopted, applied.record.rows]).encode())
                os._exit(0)
            pids.append(pid)
        os.close(gate_read)
        os.close(gate_write)
        for pid in pids:
            os.waitpid(pid, 0)
        told = [json.loads(os.read(answer, 100)) for answer, _ in answers]
        print(json.dumps({"told": told, "rows": pq.read_metadata(visible(base)[seq]).num_rows}))
        for pair in answers:
            os.close(pair[0])
            os.close(pair[1])


def full(base: Path, limit: int) -> None:
    """Slices grow by a kilobyte or so until one does not fit; then one that is small again must."""
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    into = sink(base, compression="none")
    into.prepare(target(), described(_sized(1)), {})
    for seq in range(2000):
        try:
            write(into, target(), seq, _sized(20 * (seq + 1)))
        except DataPlaneError as error:
            print(json.dumps({"tag": error.tag, "message": error.message, "slots": len(_slots(base)), "seq": seq}))
            print(json.dumps({"torn": _torn(base), "left": len(leftovers(base))}))
            return


def _sized(count: int) -> pa.Table:
    return pa.table({"id": range(count), "name": [os.urandom(32).hex() for _ in range(count)]})


def as_user(user: int, base: Path) -> None:
    if os.geteuid() == 0:
        os.setgid(user)
        os.setuid(user)
    try:
        land(base, target(), rows(1))
    except DataPlaneError as error:
        print(json.dumps({"tag": error.tag, "message": error.message, "uid": os.geteuid()}))


SCENARIOS: dict[str, tuple[Target | None, Target]] = {
    "first": (None, target(1, disposition="append")),
    "append": (target(1, disposition="append"), target(1, disposition="append", run_id="second run")),
    "replace": (target(1, disposition="replace"), target(2, disposition="replace")),
    "merge": (target(1, disposition="merge"), target(2, disposition="merge")),
}

if __name__ == "__main__":
    match sys.argv[1:]:
        case ["crash", base, scenario]:
            crash(Path(base), scenario)
        case ["race", base, rounds]:
            race(Path(base), int(rounds))
        case ["full", base, limit]:
            full(Path(base), int(limit))
        case ["as", user, base]:
            as_user(int(user), Path(base))
        case other:
            sys.exit(f"unknown arguments: {other}")
