"""What the columns of JSON lines hold: learned from their objects, made into arrays, and told when it does not fit."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from headrace.endpoints.sources.files_columns import NotExact, field_of, from_text
from headrace.endpoints.sources.files_json_values import KINDS, Misfit, array_of, json_of, kind_of, text_of
from headrace.endpoints.sources.files_parts import refuse_too_many_columns, rejected
from headrace.endpoints.sources.files_records import Block
from headrace.errors import RowRejected

Object = Mapping[str, Any]

_TOO_MANY = "Put keys that differ from line to line into an object of their own: it is one column, of JSON text."
_MOST_LEFT_OUT = 100
"""Of the values by which columns are shown before a policy is known."""


class JsonColumns:
    """``types`` are those that a person named."""

    def __init__(self, shown: str, types: Mapping[str, str]) -> None:
        self._shown = shown
        self._types = types

    def learn(
        self,
        block: Block,
        objects: list[Object],
        columns: dict[str, str],
        delivered: Mapping[str, str],
        judged: Collection[str] | None,
    ) -> None:
        """Add what ``objects`` show to ``columns``, and what kind those hold that are ``judged`` (None: all are).

        What was delivered stays of the kind it had.
        """
        for row in objects:
            if not row.keys() <= columns.keys():
                columns.update((name, "null") for name in row if name not in columns)
                refuse_too_many_columns(self._shown, len(columns), _TOO_MANY)
        for name, kind in columns.items():
            if judged is not None and name not in judged:
                continue
            if name in self._types:
                columns[name] = self._types[name]
            elif kind in KINDS:
                with self._blamed(block, name):
                    columns[name] = kind_of([row.get(name) for row in objects], kind, delivered.get(name, "null"))

    def learn_most(
        self,
        block: Block,
        objects: list[Object],
        columns: dict[str, str],
        delivered: Mapping[str, str],
        most: int,
        judged: Collection[str] | None,
    ) -> None:
        """Add what ``objects`` show, but those that do not stand beside the others; ``most`` of them."""
        left = objects
        for _ in range(most + 1):
            learned = dict(columns)
            try:
                self.learn(block, left, learned, delivered, judged)
                columns.update(learned)
                return
            except RowRejected as refusal:
                at = int(refusal.details["row"])
                left = [*left[:at], *left[at + 1 :]]
        self.learn(block, left, columns, delivered, judged)

    def shown(self, block: Block, objects: list[Object], names: Collection[str]) -> dict[str, str]:
        """But those of which too much does not go together: who leaves such a column out reads the others."""
        while True:
            columns: dict[str, str] = {}
            try:
                self.learn_most(block, objects, columns, {}, _MOST_LEFT_OUT, names)
                return {name: kind for name, kind in columns.items() if name in names}
            except RowRejected as refusal:
                names = [name for name in names if name != refusal.details["column"]]

    def wanted(self, columns: dict[str, str], chosen: tuple[str, ...] | None) -> dict[str, str]:
        if chosen is None:
            return known_of(columns)
        return known_of({name: self._types.get(name) or columns.get(name, "null") for name in chosen})

    def batch(self, block: Block, objects: list[Object], wanted: dict[str, str]) -> pa.RecordBatch:
        arrays: list[pa.Array] = []
        for name, kind in wanted.items():
            values = [row.get(name) for row in objects]
            with self._blamed(block, name):
                is_given = name in self._types or kind not in KINDS
                arrays.append(_given(values, kind) if is_given else array_of(values, kind))
        return pa.record_batch(arrays, schema=schema_of(wanted))

    @contextmanager
    def _blamed(self, block: Block, name: str) -> Generator[None]:
        """A value that does not fit its column is told by line, with what to do."""
        try:
            yield
        except Misfit as misfit:
            advice = json_of({name: misfit.advice})
            why = f"in column {name!r} {misfit}. Say what it holds in column_types, such as {advice}."
            raise self._rejected(block, misfit.position, why, name) from None
        except NotExact as refusal:
            why = f"the value of column {name!r} is no {refusal.word}. Correct it, or its type in column_types."
            raise self._rejected(block, refusal.position, why, name) from None

    def _rejected(self, block: Block, position: int, why: str, column: str) -> RowRejected:
        line = next((number for at, (number, _) in enumerate(lines_of(block.data)) if at == position), 1)
        return rejected(self._shown, block.line + line, why, column=column, row=position)


def lines_of(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Number, from 1, and text of each line that is not blank."""
    return ((number, line) for number, line in enumerate(data.split(b"\n"), 1) if line.strip())


def known_of(columns: dict[str, str]) -> dict[str, str]:
    """Columns of which something is known; all of them when nothing is, so that rows of NULLs are rows."""
    known = {name: kind for name, kind in columns.items() if kind != "null"}
    return known or columns


def schema_of(columns: dict[str, str]) -> pa.Schema:
    return pa.schema(
        [pa.field(name, pa.null()) if kind == "null" else field_of(name, kind) for name, kind in columns.items()]
    )


def _given(values: list[Any], word: str) -> pa.Array:
    """The values as a person said they are, by way of their text."""
    text = json_of if word == "json" else text_of
    return from_text(pa.array([None if value is None else text(value) for value in values], type=pa.string()), word)
