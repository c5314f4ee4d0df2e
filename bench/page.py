"""docs/benchmarks.md, written from the ledgers alone. Pure but for reading and writing the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import figures, goals, ledger
from bench.contenders import named
from bench.figures import Summary
from bench.workload import Workload

Record = dict[str, Any]

HEAD = """# Benchmarks

*For whoever wants to know how fast Headrace is, and beside what. Written by `npm run bench`; do not edit.*

Everybody ran on the same machine in the same run: one after the other, in rounds of another order each, over TCP on the
loopback address, with `fsync` on, against one warm PostgreSQL {postgres}. Every result was checked: rows, eight sums, text lengths,
distinct keys, types. A wrong or missing one is a failed run, and whoever has one has no ratio.

| | |
|---|---|
| machine | {machine} |
| Headrace | commit {commit}, Python {python} |
| rivals | {tools} |
| table | TPC-H `lineitem`, {rows:,} rows, 16 columns; smaller parts of it for tools that take minutes, and then their rate is compared |

*time* is the median (least–most) of the rounds. *×* is the time for the same rows ÷ that of the one whose × is 1, the median round by
round. *CPU* is seconds of the tool and, behind the +, of the PostgreSQL server. *MiB* is the highest of the whole process tree: RSS, and PSS, in
which shared pages count once. *other* is CPU used meanwhile by the rest of the machine. Rivals ran with the fastest of the settings that are listed,
each tried once on a quarter of the rows; Headrace ran with its defaults.
"""

NOISE = 0.1
# Fewer rounds are a trial.
ENOUGH = 5


def description(workload: Workload) -> Record:
    """What the page has to know of a workload when it is not run again."""
    return {
        "kind": "workload",
        "letter": workload.letter,
        "title": workload.title,
        "about": workload.about,
        "base": workload.base,
        "twins": workload.twins,
        "rounds": workload.rounds or ENOUGH,
        "labels": [each.label for each in workload.contenders],
        "tools": {each.label: each.tool for each in workload.contenders},
    }


def judged(workload: Workload, runs: goals.Runs) -> Record:
    outcomes = [goals.outcome(goal, runs) for goal in workload.goals]
    return {"kind": "goals", "goals": [vars(each) for each in outcomes]}


def write(path: Path, folder: Path, letters: Sequence[str]) -> None:
    """From every ledger of the folder, in the order of the letters."""
    books = [list(ledger.readable(folder / f"{letter}.jsonl")) for letter in letters]
    path.write_text(text([book for book in books if any(record["kind"] == "run" for record in book)]))


def text(books: Sequence[Sequence[Record]]) -> str:
    head = next(record["head"] for record in books[0] if record["kind"] == "head")
    rows = max((run["rows"] for book in books for run in book if run.get("table") == "lineitem"), default=0)
    tools = "; ".join(f"{version}" for _, version in sorted(head["tools"].items()))
    parts = [HEAD.format(**{**head, "tools": tools}, rows=rows)]
    return "\n".join([*parts, *(section(book, head) for book in books)])


def section(book: Sequence[Record], head: Mapping[str, Any]) -> str:
    about = [record for record in book if record["kind"] == "workload"][-1]
    runs = ledger.rounds(list(book), about["labels"])
    summaries = [figures.summary(label, runs[label]) for label in about["labels"] if runs[label]]
    base = runs.get(about["base"], [])
    lines = [f"## {about['letter']}: {about['title']}", "", about["about"], ""]
    lines += table(summaries, {each.label: figures.ratio(runs[each.label], base) for each in summaries})
    lines += ["", *otherwise(book, head), *remarks(book, about, runs, summaries)]
    if judgements := [record for record in book if record["kind"] == "goals"]:
        lines += ["", *goal_table(judgements[-1]["goals"])]
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


def remarks(book: Sequence[Record], about: Record, runs: goals.Runs, summaries: Sequence[Summary]) -> list[str]:
    """What the figures alone do not say: rounds, noise, parts of memory, latencies, results, settings, who is missing."""
    rounds = max((each.runs for each in summaries), default=0)
    lines = [f"* Rounds: {rounds}{'' if rounds >= about['rounds'] else ', a trial and too few to be quoted'}."]
    if busy := figures.busy(run for each in runs.values() for run in each if run["ok"]):
        lines[0] += f" The rest of the machine used {busy:.0%} of it meanwhile."
    if about["twins"]:
        noise = figures.spread(*(runs[label] for label in about["twins"]))
        if noise is not None:
            verdict = "" if noise <= NOISE else ", too much: the ratios are not to be quoted"
            lines.append(f"* The same command twice in each round differed by {noise:.0%} (median){verdict}.")
    for each in summaries:
        lines += of_one(each, about["tools"].get(each.label) == "headrace")
    if again := sum(record["kind"] == "run" for record in book) - sum(len(each) for each in runs.values()):
        lines.append(f"* {again} runs failed or were cut off, and were done again.")
    lines += settings(book)
    present = {about["tools"][each.label] for each in summaries}
    absent = {each["tool"]: each["why"] for each in book if each["kind"] == "missing" and each["tool"] not in present}
    lines += [f"* Missing: {tool}, {why}." for tool, why in absent.items()]
    return lines


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


def settings(book: Sequence[Record]) -> list[str]:
    """Every setting that was tried, with its better time; the fastest first."""
    tried: dict[str, dict[str, float]] = {}
    for record in book:
        if record["kind"] == "search":
            times = tried.setdefault(record["label"], {})
            time = record["wall"] if record["ok"] else float("inf")
            times[named(record["options"])] = min(time, times.get(named(record["options"]), float("inf")))
    return [
        f"* Settings tried of {label}: "
        + ", ".join(
            f"`{name}` {f'{time:.2f} s' if time < float('inf') else 'failed'}" for name, time in in_order(times)
        )
        + "."
        for label, times in tried.items()
    ]


def in_order(times: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(times.items(), key=lambda item: item[1])


def goal_table(outcomes: Sequence[Record]) -> list[str]:
    lines = ["| Goal | bound | measured | |", "|---|---|---|---|"]
    for each in outcomes:
        measured = "–" if each["value"] is None else f"{each['value']:.2f} {each['unit']}"
        said = "not measured" if each["met"] is None else "met" if each["met"] else "**missed**"
        lines.append(f"| {each['text']} | {each['bound']:.2f} {each['unit']} | {measured} | {said} |")
    return lines
