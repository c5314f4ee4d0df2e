"""Spin over ``docs/model/commit.pml``: every order of events within the bounds of a variant is tried."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MODEL = Path(__file__).parents[3] / "docs" / "model" / "commit.pml"
DEPTH = 100_000
"""Far more steps than any order of events has; one that has more would say so."""


@dataclass(frozen=True, slots=True)
class Found:
    states: int
    broken: str | None
    """The assertion that fails, as Spin prints it; None when every state was reached and none does."""


def search(folder: Path, names: Sequence[str]) -> Found:
    """Search the variant of these names, such as ``RUNS=3`` or ``NO_FENCE``, to its end or the first broken rule.

    Raises:
        AssertionError: The search was not of the whole variant, or ended in something else than a broken rule.
    """
    _said(folder, "spin", "-a", *(f"-D{name}" for name in names), str(MODEL))
    # What is to break breaks soon; then compiling is most of the work.
    optimised = "-O0" if any(name.startswith(("WATCH=", "REACH=")) for name in names) else "-O2"
    _said(folder, "gcc", optimised, "-w", "-DSAFETY", "-DNOCLAIM", "-o", "search", "pan.c")
    said = _said(folder, "./search", f"-m{DEPTH}", "-n", "-w20")
    broken = re.search(r"^pan:1: (.*)$", said, re.MULTILINE)
    stored = re.search(r"^ *(\d+) states, stored$", said, re.MULTILINE)
    assert stored is not None, said
    assert "max search depth too small" not in said, said
    assert broken is not None or "errors: 0" in said, said
    assert broken is not None or "Search not completed" not in said, said
    return Found(states=int(stored[1]), broken=None if broken is None else broken[1])


def _said(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or command[0] == "./search", f"{command}: {done.stdout}{done.stderr}"
    return done.stdout
