"""docs/benchmarks.md, written from the ledgers alone: goals, figures, settings, versions, how to repeat it.

Pure but for reading and writing the files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import cluster, goals, ledger, sections
from bench.contenders import named
from bench.workload import Workload

Record = dict[str, Any]
Book = Sequence[Record]

HEAD = """# Benchmarks

*For whoever wants to know how fast Headrace is, and beside what. Written by `npm run bench`; do not edit.*

Measured on {machine}.

Everybody ran on that machine in the same run: one after the other, in rounds of another order each, over TCP on the loopback
address, against one warm PostgreSQL {postgres} with `fsync` on. So the processor and the disk are measured, and no network. Every
result was checked against the values of the generator: rows, eight sums, text lengths, distinct keys, types. A wrong or missing
one is a failed run, and whoever has one has no ratio.

The table is TPC-H's `lineitem`: {rows:,} rows of 16 columns. Tools that would take minutes for it get a part, and then rows a
second are compared; start-up weighs more in a small table, so read such a ratio with its rows.
"""

READING = """## How to read the figures

*time* is the median (least–most) of the rounds. *×* is the time for the same rows ÷ that of the one whose × is 1, the median round by
round: more is slower. *CPU* is seconds of the tool and, behind the +, of the PostgreSQL server. *MiB* is the highest of the whole process
tree: RSS, and PSS, in which shared pages count once. *other* is CPU used meanwhile by the rest of the machine. Of Headrace's memory,
*data* is the Python worker, *control* is Node and *store* the embedded PostgreSQL. A goal's *bound* for a latency has the time of
the run's commits in it, measured bare in the same round.
"""

SETTINGS = """## Settings

Headrace ran with its defaults. Each rival below was first tried with these settings, once each on a quarter of the rows, and took part
with the fastest. What else it is told, and who is not listed, stands in [`bench/workloads/`](../bench/workloads) and [`bench/rivals/`](../bench/rivals).
"""

REPEAT = """## How to repeat it

```console
$ npm run bench -- --rows {rows} --only {letters}
```

It needs Debian's `postgresql` and brings the rivals itself; [what it needs, takes and leaves](../bench/README.md).
"""

# Fewer rounds are a trial.
ENOUGH = 5


def description(workload: Workload) -> Record:
    """What the page has to know of a workload when it is not run again."""
    return {
        "kind": "workload",
        "letter": workload.letter,
        "title": workload.title,
        "about": workload.about,
        "bases": {each.label: each.base or workload.base for each in workload.contenders},
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
    measured = [book for book in books if any(record["kind"] == "run" for record in book)]
    path.write_text(
        text(measured, [letter for letter, book in zip(letters, books, strict=True) if book not in measured])
    )


def text(books: Sequence[Book], unmeasured: Sequence[str] = ()) -> str:
    head = next(record["head"] for record in books[0] if record["kind"] == "head")
    rows = max((run["rows"] for book in books for run in book if run.get("table") == "lineitem"), default=0)
    parts = [
        HEAD.format(**head, rows=rows),
        goal_table(books),
        *([f"Workloads that were not measured: {', '.join(unmeasured)}.\n"] if unmeasured else []),
        READING,
        *(sections.section(book, head) for book in books),
        *settings(books),
        versions(head),
        REPEAT.format(rows=rows, letters=",".join(sections.about(book)["letter"] for book in books)),
    ]
    return "\n".join(parts)


def goal_table(books: Sequence[Book]) -> str:
    outcomes = [(sections.about(book)["letter"], each) for book in books for each in judgements(book)]
    lines = ["## Goals", "", f"{score([each for _, each in outcomes])}", ""]
    lines += [line for book in books for line in doubtful(book)]
    lines += ["| | Goal | bound | measured | |", "|---|---|---|---|---|"]
    for letter, each in outcomes:
        measured = "–" if each["value"] is None else quantity(each["value"], each["unit"])
        lines.append(
            f"| {letter} | {each['text']} | {quantity(each['bound'], each['unit'])} | {measured} | {said(each)} |"
        )
    return "\n".join(lines) + "\n"


def doubtful(book: Book) -> Iterator[str]:
    if doubts := list(sections.doubts(book)):
        yield f"**{sections.about(book)['letter']} proves nothing yet**: {'; '.join(doubts)}."
        yield ""


def judgements(book: Book) -> Sequence[Record]:
    return next((record["goals"] for record in reversed(book) if record["kind"] == "goals"), ())


def score(outcomes: Sequence[Record]) -> str:
    count = {met: sum(each["met"] is met for each in outcomes) for met in (True, False, None)}
    return f"{len(outcomes)} goals: {count[True]} met, {count[False]} missed, {count[None]} not measured."


def said(outcome: Record) -> str:
    return "not measured" if outcome["met"] is None else "met" if outcome["met"] else "**missed**"


def quantity(value: float, unit: str) -> str:
    return f"{value:.0f} {unit}" if unit == "MiB" else f"{value:.2f} {unit}"


def settings(books: Sequence[Book]) -> list[str]:
    lines = [line for book in books for line in tried(book)]
    return [SETTINGS, *lines, ""] if lines else []


def tried(book: Book) -> Iterator[str]:
    """Every setting that was tried in a workload, with its better time; the fastest first."""
    found: dict[str, dict[str, float]] = {}
    for record in book:
        if record["kind"] == "search":
            times = found.setdefault(record["label"], {})
            time = record["wall"] if record["ok"] else float("inf")
            times[named(record["options"])] = min(time, times.get(named(record["options"]), float("inf")))
    letter = sections.about(book)["letter"]
    for label, times in found.items():
        ordered = sorted(times.items(), key=lambda item: item[1])
        yield f"* {letter}, {label}: {', '.join(f'`{name}` {trial(time)}' for name, time in ordered)}."


def trial(time: float) -> str:
    return f"{time:.2f} s" if time < float("inf") else "failed"


def versions(head: Mapping[str, Any]) -> str:
    """The code, the server as it was set, and every tool with what it was installed beside."""
    rows = [("Headrace", f"commit {head['commit']}, Python {head['python']}")]
    rows += [("PostgreSQL", f"{head['postgres']}: {', '.join(f'`{each}`' for each in cluster.settings())}")]
    rows += [(name, version) for name, version in sorted(head["tools"].items())]
    lines = ["## Versions", "", "| | |", "|---|---|", *(f"| {name} | {what} |" for name, what in rows)]
    return "\n".join(lines) + "\n"
