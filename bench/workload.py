"""A workload: who takes part, what it is held to, and what everybody of a benchmark run shares."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from bench import places
from bench.contenders import Contender
from bench.data.load import Source
from bench.goals import Goal


@dataclass(frozen=True)
class Bench:
    """One invocation: the loaded source and a folder for everything that is written."""

    source: Source
    rows: int

    @property
    def out(self) -> Path:
        return places.OUT

    def folder(self, name: str) -> Path:
        """An empty folder."""
        place = self.out / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        return place


@dataclass(frozen=True)
class Workload:
    letter: str
    title: str
    about: str
    contenders: Sequence[Contender]
    # Whom the ratios of the table are taken against.
    base: str
    goals: Sequence[Goal] = ()
    # Two labels of the same command: how noisy the machine was.
    twins: tuple[str, str] | None = None
    # Enough of them, where that is fewer than usual: runs are long, or what is held to a goal does not scatter.
    rounds: int | None = None
    timeout: float = 900


@dataclass(frozen=True)
class Entry:
    letter: str
    # Opens what it needs, such as a warm server, and closes it at the end.
    open: Callable[[Bench], AbstractContextManager[Workload]] = field(repr=False)
    # Part of what is run when nothing is said.
    usual: bool = True
