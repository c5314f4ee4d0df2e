"""Writes ``docs/reference/types.md`` from what the matrix recorded. ``npm run codegen`` runs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fidelity.carrying_types import Outcome
from fidelity.matrix import ORIGINS, PLACES, Outcomes, recorded
from fidelity.page_words import CODES, ORDER, SINKS, SOURCES, group, label, why
from fidelity.readers import UNLIKE

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "types.md"

LAST = ("Other readers of these files", "Columns that are never NULL", "What is refused")
TEMPLATE = Path(__file__).with_name("page_template.md")


def page() -> str:
    known = recorded()
    sections = [_section(source, {sink: known[source, sink] for sink in PLACES}) for source in ORIGINS]
    refused = [_refusals(source, {sink: known[source, sink] for sink in PLACES}) for source in ORIGINS]
    titles = [*(SOURCES[source][0] for source in ORIGINS), *LAST]
    contents = "\n".join(f"{number}. [{title}](#{_anchor(title)})" for number, title in enumerate(titles, 1))
    said = {"sections": "\n".join(sections), "readers": _readers(), "refused": "\n".join(refused)}
    return TEMPLATE.read_text().format(contents=contents, **said).rstrip() + "\n"


def _readers() -> str:
    rows = (
        f"| {reader} | {'; '.join(unlike.values()) or 'everything exactly'} |\n" for reader, unlike in UNLIKE.items()
    )
    return "| Read by | Exactly, but |\n|---|---|\n" + "".join(rows)


def _section(source: str, outcomes: Mapping[str, Outcomes]) -> str:
    title, note = SOURCES[source]
    columns = next(iter(outcomes.values()))
    groups: dict[str, list[str]] = {name: [] for name in ORDER}
    for column in columns:
        if not _is_value(column) and label(source, column) is not None:
            groups.setdefault(group(source, column), []).append(column)
    tables = (_table(source, name, members, outcomes) for name, members in groups.items() if members)
    return "\n".join([f"## {title}\n\n{note}\n", *tables])


def _table(source: str, name: str, columns: Sequence[str], outcomes: Mapping[str, Outcomes]) -> str:
    heading = f"### {name}\n\n" if name else ""
    first = SOURCES[source][0].removeprefix("From ")
    head = f"| {first} | {' | '.join(SINKS[sink] for sink in outcomes)} |\n|---|{'---|' * len(outcomes)}\n"
    rows = (
        f"| {label(source, column)} | {' | '.join(_cell(column, found[column]) for found in outcomes.values())} |\n"
        for column in columns
    )
    return heading + head + "".join(rows)


def _cell(column: str, outcome: Outcome) -> str:
    match outcome.how:
        case "exact":
            return f"`{outcome.type}`"
        case "refused":
            return "refused"
        case "as text":
            return f"`{outcome.type}`, as text"
        case "widened":
            return f"`{outcome.type}`, wider: {why(column)}"
        case _:
            return f"`{outcome.type}`, {why(column)}"


def _refusals(source: str, outcomes: Mapping[str, Outcomes]) -> str:
    rows = "".join(_refusal(*each, len(outcomes)) for each in _refused(outcomes))
    return (
        f"### {SOURCES[source][0]}\n\n| Column or value | Into | Error | It says |\n|---|---|---|---|\n{rows}"
        if rows
        else ""
    )


def _refused(outcomes: Mapping[str, Outcomes]) -> Iterator[tuple[str, Outcome, Sequence[str]]]:
    """Each refusal with the sinks that have it."""
    found: dict[tuple[str, Outcome], list[str]] = {}
    for sink, columns in outcomes.items():
        for column, outcome in columns.items():
            if outcome.how == "refused":
                found.setdefault((column, outcome), []).append(sink)
    return ((column, outcome, sinks) for (column, outcome), sinks in found.items())


def _refusal(column: str, outcome: Outcome, sinks: Sequence[str], count: int) -> str:
    into = "every sink" if len(sinks) == count else ", ".join(f"`{sink}`" for sink in sinks)
    said = outcome.said.replace(column, "c", -1 if _is_value(column) else 1).replace("|", "\\|")
    return f"| `{column}` | {into} | `{CODES[outcome.error]}` | {said} |\n"


def _is_value(column: str) -> bool:
    """Whether the column stands for one value that is refused, of a type that has a row of its own."""
    return " = " in column


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page())
