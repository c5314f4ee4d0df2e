"""What the kernel says of processes: who started whom, CPU used, memory held. The meter reads nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE") // 1024


class Process(NamedTuple):
    parent: int
    cpu: float
    reaped_cpu: float

    @classmethod
    def parse(cls, stat: str) -> Process:
        """Of a line of ``/proc/<pid>/stat``; the name may hold spaces and parentheses."""
        fields = stat[stat.rindex(")") + 2 :].split()
        user, system, reaped_user, reaped_system = (int(value) / TICKS for value in fields[11:15])
        return cls(int(fields[1]), user + system, reaped_user + reaped_system)


def everybody() -> dict[int, Process]:
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                found[int(entry)] = Process.parse(Path("/proc", entry, "stat").read_text())
            except OSError:
                continue  # it ended between listing and reading
    return found


def tree(root: int, found: dict[int, Process]) -> Iterator[tuple[int, int]]:
    """The process and all its descendants, each with its parent, parents first."""
    children: dict[int, list[int]] = {}
    for pid, process in found.items():
        children.setdefault(process.parent, []).append(pid)
    pending = [(root, 0)]
    while pending:
        pid, parent = pending.pop()
        if pid in found:
            yield pid, parent
            pending += [(child, pid) for child in children.get(pid, [])]


def tree_cpu(root: int) -> float:
    """CPU seconds of a process and its descendants, and of those it has already waited for."""
    found = everybody()
    return sum(found[pid].cpu + found[pid].reaped_cpu for pid, _ in tree(root, found))


def machine_cpu() -> float:
    """Busy CPU seconds of the whole machine since it started."""
    user, nice, system, _idle, _wait, irq, softirq, *_ = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return sum(map(int, (user, nice, system, irq, softirq))) / TICKS


class Memory(NamedTuple):
    """KiB. Pages that processes share count once in each RSS, and divided among them in PSS."""

    rss: int
    pss: int

    def plus(self, other: Memory) -> Memory:
        return Memory(self.rss + other.rss, self.pss + other.pss)

    def most(self, other: Memory) -> Memory:
        return Memory(max(self.rss, other.rss), max(self.pss, other.pss))


def memory(pid: int) -> Memory:
    """Nothing once the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return Memory(0, 0)
    sizes = {line.split()[0]: int(line.split()[1]) for line in lines[1:] if line.endswith("kB")}
    return Memory(sizes.get("Rss:", 0), sizes.get("Pss:", 0))


def resident(pid: int) -> int:
    """KiB, cheap to ask; nothing once the process is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except OSError:
        return 0


def part(pid: int, of_parent: str) -> str:
    """Which part of Headrace a process is: the data plane's worker and what it starts, the store, the control plane."""
    try:
        if Path(f"/proc/{pid}/comm").read_text().startswith("postgres"):
            return "store"
        if b"headrace.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return "data"
    except OSError:
        pass
    return of_parent


def memory_by_part(root: int, found: dict[int, Process], name: Callable[[int, str], str]) -> dict[str, Memory]:
    parts: dict[int, str] = {0: "control"}
    sums: dict[str, Memory] = {}
    for pid, parent in tree(root, found):
        parts[pid] = name(pid, parts[parent])
        sums[parts[pid]] = sums.get(parts[pid], Memory(0, 0)).plus(memory(pid))
    return sums
