"""Who watches a run and decides for it.

A run tells its observer everything that happens and commits nothing without a
verdict. In the worker the observer is the control plane at the other end of the
socket; in plain Python it is ``CommitAlways``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from headrace.events import Phase, Records, RunEvent, Sealed
from headrace.protocol import Verdict

Answer: TypeAlias = Callable[[], Verdict]
"""Call it to wait for the verdict."""


class RunInterrupted(Exception):
    """The caller gave the run up. Nothing more is said or written; staging is dropped."""


class Observer(Protocol):
    """Every method raises ``RunInterrupted`` once the run was given up."""

    def tell(self, event: RunEvent) -> None:
        """Say what happened. May wait for the listener; progress may be lost, nothing else."""
        ...

    def ask(self, event: Sealed | Records) -> Answer:
        """Say it and ask whether it counts. Several questions may be open; their answers come in any order."""
        ...

    def moved(self, phase: Phase, slice_seq: int | None, rows: int, bytes: int) -> None:
        """The run is alive and has read this much more. Called at every batch, by any thread; costs next to nothing."""
        ...

    @property
    def is_interrupted(self) -> bool:
        """Asked when something failed: was it us who ended it?"""
        ...


class CommitAlways:
    """Decides for a run that nobody else watches."""

    is_interrupted = False

    def tell(self, event: RunEvent) -> None:
        """Nobody listens."""

    def ask(self, event: Sealed | Records) -> Answer:
        return lambda: "commit"

    def moved(self, phase: Phase, slice_seq: int | None, rows: int, bytes: int) -> None:
        """Nobody waits."""
