"""What a workload is held to, as data: each goal says its number, and what the runs say of it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench import figures

Runs = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Goal:
    text: str
    bound: float
    # What was measured; None when a side of it is missing or failed.
    value: Callable[[Runs], float | None]
    at_least: bool = False
    unit: str = "×"
    # What is allowed on top of the bound, measured in the same run.
    extra: Callable[[Runs], float] = lambda _runs: 0.0


@dataclass(frozen=True)
class Outcome:
    text: str
    value: float | None
    bound: float
    met: bool | None
    unit: str


def outcome(goal: Goal, runs: Runs) -> Outcome:
    value = goal.value(runs)
    bound = goal.bound + goal.extra(runs)
    met = None if value is None else (value >= bound if goal.at_least else value <= bound)
    return Outcome(goal.text, value, bound, met, goal.unit)


def whole(runs: Runs, label: str) -> Sequence[Mapping[str, Any]]:
    """The runs of a contender; none at all when one of them failed, so that nothing is claimed of the others."""
    found = runs.get(label, ())
    return found if found and all(run["ok"] for run in found) else ()


def speed(ours: str, rivals: Sequence[str]) -> Callable[[Runs], float | None]:
    """Rows a second of ours ÷ the rival's, against the fastest of several."""

    def value(runs: Runs) -> float | None:
        found = [figures.ratio(whole(runs, rival), whole(runs, ours)) for rival in rivals]
        return min((each for each in found if each is not None), default=None)

    return value


def faster(ours: str, times: float, *rivals: str) -> Goal:
    return Goal(f"{ours} ≥ {times:g}× the rows a second of {' or '.join(rivals)}", times, speed(ours, rivals), True)


def slower_at_most(ours: str, times: float, floor: str, where: str = "") -> Goal:
    """``where`` names the circumstance that this bound is for."""

    def value(runs: Runs) -> float | None:
        return figures.ratio(whole(runs, ours), whole(runs, floor))

    said = f", {where}" if where else ""
    return Goal(f"{ours} takes ≤ {times:g}× the time of {floor}{said}", times, value)


def memory(ours: str, mib: float, part: str = "data") -> Goal:
    def value(runs: Runs) -> float | None:
        peaks = [run["parts"].get(part, {}).get("pss") for run in whole(runs, ours) if "parts" in run]
        return max((peak for peak in peaks if peak is not None), default=None)

    return Goal(f"{ours}: {part} plane ≤ {mib:g} MiB", mib, value, unit="MiB")


def memory_growth(small: str, large: str, times: float, part: str = "data") -> Goal:
    def value(runs: Runs) -> float | None:
        first, last = (memory(label, 0, part).value(runs) for label in (small, large))
        return last / first if first and last is not None else None

    return Goal(f"{part} plane of {large} ÷ {small} ≤ {times:g}×", times, value)


def latency(ours: str, part: float, ms: float) -> Goal:
    """A percentile of the samples; the time of the commits of one run, measured bare, comes on top."""

    def value(runs: Runs) -> float | None:
        samples = [each for run in whole(runs, ours) for each in run.get("samples_ms", ())]
        return figures.percentile(samples, part) if samples else None

    def commits(runs: Runs) -> float:
        return figures.middle(run["commits_ms"] for run in whole(runs, ours) if "commits_ms" in run)

    return Goal(f"{ours}: p{part * 100:g} ≤ {ms:g} ms and the time of its commits", ms, value, unit="ms", extra=commits)
