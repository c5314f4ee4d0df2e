"""Rows that cannot be carried or stored, and how a source or a sink says which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import pyarrow as pa

RefusalCode: TypeAlias = Literal["MALFORMED", "UNCARRIABLE", "TOO_LARGE", "UNSTORABLE", "CONSTRAINT", "SCHEMA", "GONE"]
"""Why a row is set aside: no record at all; a value that no column carries; more bytes than allowed; a value that the
sink's type cannot hold; a rule of the sink; a column or type that the schema there does not have; tried again, a row
that its source has no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRow:
    """A row that cannot be carried or stored, and why. ``reason`` names no value; ``row`` or ``text`` is what was read.

    ``position`` counts from 0 among the rows it came with.
    """

    position: int
    code: RefusalCode
    reason: str
    column: str | None = None
    row: pa.RecordBatch | None = None
    is_whole: bool = True
    """``row`` is what would have been carried, so that it can be tried again; else it is there to be read by people."""
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sifted:
    """A batch without the rows that cannot be carried, which count as read all the same; None: there was no other.

    A source yields it in place of a batch, and only when the policy sets rows aside.
    """

    batch: pa.RecordBatch | None
    refused: Sequence[RefusedRow]

    @property
    def rows(self) -> int:
        return len(self.refused) + (0 if self.batch is None else self.batch.num_rows)
