"""The stopwatch: one action, its wall time, the CPU of both sides, and the highest memory of its whole process tree.

A command is a fresh process each time. A call asks something of a server that is warm, whose tree is watched instead.
Memory is looked at every 20 ms for two seconds and every 100 ms after that: a shorter peak can be missed. To say what a
process shares with others, the kernel walks all its pages, which would slow down whoever has many processes: that is
asked at every new high of what is resident, and else once a second.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from bench import processes
from bench.processes import Memory, Process

QUICK_SAMPLES, QUICK_PAUSE, PAUSE = 100, 0.02, 0.1
NEW_HIGH, WEIGHED_EVERY = 1.02, 1.0
Record = dict[str, Any]


@dataclass(frozen=True)
class Command:
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """Work done by a server whose first process is ``root``; what it answers becomes part of the record.

    A ``wall`` among it is the time that counts, where the work also prepares something, and CPU is that of the whole
    ``span``; ``times`` says how often it was done, and CPU is then that of one.
    """

    work: Callable[[], Record]
    root: int
    # Thousands of short runs are not to be disturbed by looking at memory.
    weigh: bool = True


Action = Command | Call


class Failed(RuntimeError):
    """The action did not do its work; the message is the end of what it printed."""


class Weighing:
    """When it is worth what it costs to ask the kernel what processes share."""

    def __init__(self) -> None:
        self._highest, self._last = 0, -math.inf

    def due(self, resident: int, now: float) -> bool:
        """``resident`` is of the whole tree, ``now`` in seconds; who hears yes weighs."""
        if resident <= self._highest * NEW_HIGH and now - self._last < WEIGHED_EVERY:
            return False
        self._highest, self._last = max(self._highest, resident), now
        return True


class Sampler(threading.Thread):
    """Watches a process tree until stopped: highest memory of each part and of all, last CPU of each process."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.root, self.ended = root, threading.Event()
        self.parts: dict[str, Memory] = {}
        self.all = Memory(0, 0)
        self.cpu: dict[int, float] = {}

    def run(self) -> None:
        samples, weighing = 0, Weighing()
        while not self.ended.is_set():
            found = processes.everybody()
            members = [pid for pid, _ in processes.tree(self.root, found)]
            self.cpu |= {pid: found[pid].cpu for pid in members}
            if weighing.due(sum(map(processes.resident, members)), time.monotonic()):
                self.weigh(found)
            samples += 1
            self.ended.wait(QUICK_PAUSE if samples < QUICK_SAMPLES else PAUSE)

    def weigh(self, found: dict[int, Process]) -> None:
        now = processes.memory_by_part(self.root, found, processes.part)
        for part, size in now.items():
            self.parts[part] = size.most(self.parts.get(part, Memory(0, 0)))
        self.all = self.all.most(reduce(Memory.plus, now.values(), Memory(0, 0)))

    def stop(self) -> Record:
        self.ended.set()
        self.join()
        parts = {name: mib(size) for name, size in sorted(self.parts.items())}
        return {"memory": mib(self.all), "parts": parts}


def mib(size: Memory) -> dict[str, int]:
    return {"rss": round(size.rss / 1024), "pss": round(size.pss / 1024)}


def measure(action: Action, postmaster: int, timeout: float) -> Record:
    """Raises ``Failed`` when the action fails or takes longer than ``timeout`` seconds."""
    machine, server = processes.machine_cpu(), processes.tree_cpu(postmaster)
    figures = run_command(action, timeout) if isinstance(action, Command) else run_call(action)
    server = processes.tree_cpu(postmaster) - server
    others = max(processes.machine_cpu() - machine - figures["client_cpu"] - server, 0)
    times = figures.get("times", 1)
    used = {"client_cpu": figures["client_cpu"], "server_cpu": server, "other_cpu": others}
    return {**figures, "cores": os.cpu_count(), **{name: round(each / times, 3) for name, each in used.items()}}


def run_call(call: Call) -> Record:
    sampler, cpu = Sampler(call.root), processes.tree_cpu(call.root)
    if call.weigh:
        sampler.start()
    began = time.perf_counter()
    try:
        answer = call.work()
    except RuntimeError as error:
        raise Failed(str(error)) from error
    finally:
        wall = time.perf_counter() - began
        figures = sampler.stop() if call.weigh else {}
    used = processes.tree_cpu(call.root) - cpu
    return {"wall": round(wall, 4), "span": round(wall, 4), "client_cpu": round(used, 2), **figures, **answer}


def run_command(command: Command, timeout: float) -> Record:
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        began = time.perf_counter()
        child = subprocess.Popen(
            command.argv,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, **command.env},
        )
        sampler = Sampler(child.pid)
        sampler.start()
        alarm = threading.Timer(timeout, end_group, [child.pid])
        alarm.daemon = True
        alarm.start()
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            end_group(child.pid)
            raise
        wall = time.perf_counter() - began
        alarm.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        figures = sampler.stop()
        if child.returncode:
            log.seek(0)
            late = f" (took longer than {timeout:.0f} s)" if wall >= timeout else ""
            raise Failed(f"exit {child.returncode}{late}: {log.read()[-1500:].strip()}")
    used = max(usage.ru_utime + usage.ru_stime, sum(sampler.cpu.values()))
    return {"wall": round(wall, 4), "client_cpu": round(used, 2), **figures}


def end_group(pid: int) -> None:
    """Ends a command and what it started: asks, waits up to five seconds, then insists."""
    for number, seconds in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 0.0)):
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            return
        time.sleep(seconds)
