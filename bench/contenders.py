"""Who takes part in a workload: what is run, on which table, with which settings, and what a correct result is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field

from bench.meter import Action

# Settings of a tool, as its script's flags: {"threads": "2"} is --threads 2.
Options = Mapping[str, str]


@dataclass(frozen=True)
class Verdict:
    """What a look at the result found: ``wrong`` fails the run, ``notes`` are printed beside its figures."""

    wrong: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contender:
    label: str
    # Which of ``tools.RIVALS`` it needs; "headrace" is ours, whose settings are never searched.
    tool: str
    action: Callable[[str, Options], Action]
    check: Callable[[str], Verdict]
    table: str = "lineitem"
    _: KW_ONLY
    # More than one: the search tries each on a quarter of the rows (``part``), the fastest takes part.
    options: tuple[Options, ...] = field(default=({},))
    part: str = "li_q"
    before: Callable[[str], None] = lambda _table: None
    # A server that is to be warm does its work once before the rounds, so that it has loaded what it needs.
    warm: bool = False
    # Of a table that is not lineitem or a part of it; 0 where no rate is meant.
    rows: int = 0
    # Whom its ratio is taken against, in a workload of several tasks; else the workload's own.
    base: str = ""


def flags(options: Options) -> tuple[str, ...]:
    """An empty value is that of a flag that takes none."""
    return tuple(word for name, value in options.items() for word in (f"--{name}", *([value] if value else [])))


def named(options: Options) -> str:
    return " ".join(f"{name}={value}" if value else name for name, value in options.items()) or "defaults"
