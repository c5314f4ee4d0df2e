"""A workload on the page: its figures, and what they alone do not say. Pure: records in, lines out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench import figures, goals, ledger
from bench.figures import Summary

Record = dict[str, Any]

NOISE = 0.1


def about(book: Sequence[Record]) -> Record:
    """What the workload said of itself when it was last begun."""
    return [record for record in book if record["kind"] == "workload"][-1]


def runs_of(book: Sequence[Record]) -> dict[str, list[Record]]:
    return ledger.rounds(book, about(book)["labels"])


def section(book: Sequence[Record], head: Mapping[str, Any]) -> str:
    workload, runs = about(book), runs_of(book)
    summaries = [figures.summary(label, runs[label]) for label in workload["labels"] if runs[label]]
    ratios = {
        each.label: figures.ratio(runs[each.label], runs.get(workload["bases"][each.label], [])) for each in summaries
    }
    lines = [f"## {workload['letter']}: {workload['title']}", "", workload["about"], ""]
    lines += table(summaries, ratios)
    lines += ["", *otherwise(book, head), *remarks(book, summaries)]
    return "\n".join(lines) + "\n"


def otherwise(book: Sequence[Record], head: Mapping[str, Any]) -> list[str]:
    """What was not as the head of the page says when this workload was measured."""
    own = next(record["head"] for record in book if record["kind"] == "head")
    return [f"* Measured with another {name}: {own[name]}." for name in own if own[name] != head.get(name)]


def table(summaries: Sequence[Summary], ratios: Mapping[str, float | None]) -> list[str]:
    lines = ["| | rows | time, s | rows/s | × | CPU, s | MiB | other |", "|---|---|---|---|---|---|---|---|"]
    for each in summaries:
        lines.append(f"| {' | '.join(cells(each, ratios.get(each.label)))} |")
    return lines


def cells(each: Summary, ratio: float | None) -> list[str]:
    rows = f"{each.rows:,}" if each.rows else "–"
    if each.failed:
        return [each.label, rows, f"failed in {each.runs - each.good} of {each.runs}", *"–––––"]
    least, median, most = each.wall
    rate = f"{each.rows / median / 1000:,.0f} k" if each.rows and median else "–"
    sizes = f"{each.memory['rss']} / {each.memory['pss']}" if each.memory else "–"
    return [
        each.label,
        rows,
        f"**{seconds(median)}** ({seconds(least)}–{seconds(most)})",
        rate,
        "–" if ratio is None or each.failed else f"{ratio:.2f}",
        f"{each.client_cpu:.1f} + {each.server_cpu:.1f}",
        sizes,
        f"{each.other_cpu:.1f}",
    ]


def seconds(value: float) -> str:
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 100 else f"{value:.0f}"


def remarks(book: Sequence[Record], summaries: Sequence[Summary]) -> list[str]:
    """What the figures alone do not say: rounds, noise, parts of memory, latencies, results, who is missing."""
    workload, runs = about(book), runs_of(book)
    lines = [f"* Rounds: {rounds(runs)}."]
    if busy := figures.busy(run for each in runs.values() for run in each if run["ok"]):
        lines[0] += f" The rest of the machine used {busy:.0%} of it meanwhile."
    if (noise := noise_of(book)) is not None:
        lines.append(f"* The same command twice in each round differed by {noise:.0%} (median).")
    if why := list(doubts(book)):
        lines.append(f"* **Not to be quoted**: {'; '.join(why)}.")
    for each in summaries:
        lines += of_one(each, workload["tools"].get(each.label) == "headrace")
    done = sum(record["kind"] == "run" and record["label"] in runs for record in book)
    if again := done - sum(len(each) for each in runs.values()):
        lines.append(f"* {again} runs failed or were cut off, and were done again.")
    present = {workload["tools"][each.label] for each in summaries}
    absent = {each["tool"]: each["why"] for each in book if each["kind"] == "missing" and each["tool"] not in present}
    lines += [f"* Missing: {tool}, {why}." for tool, why in absent.items()]
    return lines


def rounds(runs: goals.Runs) -> int:
    return max((len(each) for each in runs.values()), default=0)


def noise_of(book: Sequence[Record]) -> float | None:
    """How far the same command was from itself; None where it did not run twice."""
    twins, runs = about(book)["twins"], runs_of(book)
    return figures.spread(*(runs[label] for label in twins)) if twins else None


def doubts(book: Sequence[Record]) -> Iterator[str]:
    """Why the figures of a workload prove nothing."""
    found, due = rounds(runs_of(book)), about(book)["rounds"]
    if found < due:
        yield f"{found} of {due} rounds {'is' if found == 1 else 'are'} a trial"
    noise = noise_of(book)
    if noise is not None and noise > NOISE:
        yield f"the same command differed from itself by {noise:.0%}, more than {NOISE:.0%}"


def of_one(each: Summary, ours: bool) -> list[str]:
    lines = []
    if ours and len(each.parts) > 1:
        parts = ", ".join(f"{name} {size['rss']} / {size['pss']}" for name, size in each.parts.items())
        lines.append(f"* {each.label}, MiB by part (RSS / PSS): {parts}.")
    if each.samples:
        percentiles = [f"p{part * 100:g} {figures.percentile(each.samples, part):.1f} ms" for part in (0.5, 0.95, 0.99)]
        lines.append(f"* {each.label}: {', '.join(percentiles)}, n = {len(each.samples)}.")
    if each.failure:
        lines.append(f"* {each.label} failed: {' '.join(each.failure.split())[:300]}")
    elif each.notes:
        lines.append(f"* {each.label}: {'; '.join(each.notes)}.")
    return lines
