"""What is said of many runs: medians, ratios round by round, the noise. Pure: records in, numbers out."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Summary:
    label: str
    runs: int
    good: int
    wall: tuple[float, float, float]  # least, median, most
    rows: int
    client_cpu: float
    server_cpu: float
    other_cpu: float
    memory: Mapping[str, int]
    parts: Mapping[str, Mapping[str, int]]
    samples: tuple[float, ...]
    notes: tuple[str, ...]
    failure: str | None

    @property
    def failed(self) -> bool:
        """A wrong or missing result in any round: what is left of it is not to be believed either."""
        return self.good < self.runs


def summary(label: str, runs: Sequence[Record]) -> Summary:
    """Of all runs of one contender. Failed ones stay out of the medians, and are said."""
    good = [run for run in runs if run["ok"]]
    walls = [run["wall"] for run in good]
    parts = {name for run in good for name in run.get("parts", {})}
    return Summary(
        label=label,
        runs=len(runs),
        good=len(good),
        wall=(min(walls), statistics.median(walls), max(walls)) if walls else (0.0, 0.0, 0.0),
        rows=runs[0].get("rows", 0) if runs else 0,
        client_cpu=middle(run["client_cpu"] for run in good),
        server_cpu=middle(run["server_cpu"] for run in good),
        other_cpu=max((run["other_cpu"] for run in good), default=0.0),
        memory=highest(run.get("memory", {}) for run in good),
        parts={name: highest(run.get("parts", {}).get(name, {}) for run in good) for name in sorted(parts)},
        samples=tuple(sample for run in good for sample in run.get("samples_ms", ())),
        notes=tuple(good[-1].get("notes", ())) if good else (),
        failure=next((run["failure"] for run in runs if not run["ok"]), None),
    )


def middle(values: Iterable[float]) -> float:
    known = list(values)
    return statistics.median(known) if known else 0.0


def highest(sizes: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The highest of each kind: a peak is not averaged away."""
    most: dict[str, int] = {}
    for each in sizes:
        for kind, size in each.items():
            most[kind] = max(size, most.get(kind, 0))
    return most


def ratio(runs: Sequence[Record], base: Sequence[Record]) -> float | None:
    """The median of time for a row in ``runs`` ÷ in ``base``, round by round: what slowed a whole round falls out.

    Time for a row, because tables differ in size where a tool would take minutes for the whole.
    """
    others = {run["round"]: per_row(run) for run in base if run["ok"]}
    found = [per_row(run) / others[run["round"]] for run in runs if run["ok"] and run["round"] in others]
    return statistics.median(found) if found else None


def per_row(run: Record) -> float:
    return run["wall"] / (run["rows"] or 1)


def spread(one: Sequence[Record], other: Sequence[Record]) -> float | None:
    """How far the same command, run twice in each round, was from itself: the median difference, 0.1 is 10 %."""
    others = {run["round"]: run["wall"] for run in other if run["ok"]}
    found = [
        abs(run["wall"] - others[run["round"]]) / min(run["wall"], others[run["round"]])
        for run in one
        if run["ok"] and run["round"] in others
    ]
    return statistics.median(found) if found else None


def busy(runs: Iterable[Record]) -> float:
    """What part of the machine everything else used while the runs ran."""
    known = [run for run in runs if "times" not in run]
    seconds = sum(run.get("span", run["wall"]) * run["cores"] for run in known)
    return sum(run["other_cpu"] for run in known) / seconds if seconds else 0.0


def percentile(samples: Sequence[float], part: float) -> float:
    """The least sample that ``part`` of all are not above; of 100 samples p99 is the 99th."""
    if not samples:
        raise ValueError("a percentile of no samples")
    ordered = sorted(samples)
    return ordered[max(0, -(-int(len(ordered) * part * 1000) // 1000) - 1)]


def fastest(runs: Sequence[Record]) -> Mapping[str, str] | None:
    """The options of the fastest good run of a search; None when every one failed."""
    good = [run for run in runs if run["ok"]]
    return min(good, key=lambda run: run["wall"])["options"] if good else None
