"""Records of a CSV file that are no rows of it: with other fields than the header names, or values of another type."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from headrace.parting import parted
from headrace.refusals import RefusedRow, Sifted
from headrace.sifting import position_before


class CsvSifting:
    """``wrong`` is filled by the parser with records it passes over, ahead of the batches that come around them.

    ``expected`` says how many fields a record has.

    ``first_line`` is asked when a record is refused. It answers None where a
    record may have several lines, or none: then they are not told apart by line.
    """

    def __init__(
        self, shown: str, expected: str, wrong: Sequence[Any], most: int, first_line: Callable[[], int | None]
    ) -> None:
        self._shown = shown
        self._first_line = functools.cache(first_line)
        self._expected = expected
        self._wrong = wrong
        self._most = most
        self._told = 0

    def sifted(self, batch: pa.RecordBatch, before: int, convert: Callable[[pa.RecordBatch], pa.RecordBatch]) -> Sifted:
        """``before`` counts the records of all batches so far."""
        passed_over = self._passed_over(before, batch.num_rows)
        gone = [row.position for row in passed_over]
        found = parted(batch, convert, self._most)
        misfits = [
            RefusedRow(
                position=(among := position_before(position, gone)),
                code="UNCARRIABLE",
                reason=f"{self._place(before + among)}: {refusal.message}",
                column=str(refusal.details["column"]),
                text=json.dumps(batch.slice(position, 1).to_pylist()[0], ensure_ascii=False),
            )
            for position, refusal in found.refused
        ]
        good = pa.concat_batches(found.good) if found.good else convert(batch.slice(0, 0))
        return Sifted(batch=good, refused=sorted([*passed_over, *misfits], key=lambda row: row.position))

    def rest(self, before: int) -> Sifted | None:
        """What was passed over behind the last batch."""
        refused = [self._misshapen(row, before) for row in self._wrong[self._told :]]
        self._told = len(self._wrong)
        return Sifted(batch=None, refused=refused) if refused else None

    def _passed_over(self, before: int, rows: int) -> list[RefusedRow]:
        """Those among the next ``rows`` records that the parser took."""
        found: list[RefusedRow] = []
        while self._told < len(self._wrong) and self._wrong[self._told].number - 1 < before + rows + len(found):
            found.append(self._misshapen(self._wrong[self._told], before))
            self._told += 1
        return found

    def _misshapen(self, row: Any, before: int) -> RefusedRow:
        return RefusedRow(
            position=row.number - 1 - before,
            code="MALFORMED",
            reason=f"{self._place(row.number - 1)}: there are {row.actual_columns} fields, and {self._expected}. "
            "Quote fields that hold the delimiter.",
            text=row.text,
        )

    def _place(self, position: int) -> str:
        first = self._first_line()
        return self._shown if first is None else f"{self._shown}, line {first + position}"
