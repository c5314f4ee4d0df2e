"""What was measured so far, a line of JSON each: an interrupted benchmark goes on where it was.

A ledger belongs to one workload, number of rows and state of the machine and the code; a change of any of them begins
a new one. Ratios are taken within a round, so rounds of different hours may stand in one ledger.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

Record = dict[str, Any]


class Ledger:
    def __init__(self, path: Path, head: Mapping[str, Any], fresh: bool) -> None:
        self.path = path
        self.records: list[Record] = [] if fresh else list(readable(path))
        begun = next((record for record in self.records if record["kind"] == "head"), None)
        if begun is None or begun["head"] != head:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.records = [{"kind": "head", "head": dict(head)}]
        # Written anew, so that a line that was cut off does not grow together with the next one.
        path.write_text("".join(json.dumps(record) + "\n" for record in self.records))

    def add(self, record: Record) -> None:
        self.records.append(record)
        with self.path.open("a") as file:
            file.write(json.dumps(record) + "\n")

    def of(self, kind: str) -> list[Record]:
        return [record for record in self.records if record["kind"] == kind]

    def has(self, kind: str, **known: Any) -> bool:
        return any(all(record.get(key) == value for key, value in known.items()) for record in self.of(kind))


def readable(path: Path) -> Iterator[Record]:
    """Every whole line; the last one may have been cut off by the end of the process."""
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            return


def rounds(records: Iterable[Record], labels: Iterable[str]) -> dict[str, list[Record]]:
    """The runs of each contender in order, the last of a round where it was done again."""
    last = {(record["label"], record["round"]): record for record in records if record["kind"] == "run"}
    ordered = sorted(last.values(), key=lambda run: run["round"])
    return {label: [run for run in ordered if run["label"] == label] for label in labels}
