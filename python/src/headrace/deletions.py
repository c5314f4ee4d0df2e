"""Rows that are gone from the source: how they travel, and who can say or hear of them.

A deletion is a row like any other, a tombstone: its batch has the reserved
column, which says 1, and of its own columns only those of the key have values.
What source and sink cannot do together is refused before a row is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from headrace.abilities import KeyedSink
from headrace.endpoint import SinkEndpoint, SourceEndpoint, Target, WriteDisposition
from headrace.errors import ConfigInvalid
from headrace.policy import RunPolicy

OPERATION_COLUMN = "_headrace_op"
"""Reserved: 0 upsert, 1 delete. Rows may have it; targets never do."""


def refuse_unheard(
    parsed: RunPolicy, source: SourceEndpoint, sink: SinkEndpoint, disposition: WriteDisposition
) -> None:
    """``disposition``: how rows land. One that replaces everything needs no tombstones.

    Raises:
        ConfigInvalid: The source cannot tell, or the sink not do, what the policy's ``deletes`` asks for.
    """
    asked = parsed.deletes
    if asked == "ignore":
        return
    able = source.capabilities().deletes
    if asked not in able:
        raise _invalid(
            f"This source cannot say which rows are gone by deletes {asked}; it can {' or '.join(able)}. "
            "Choose one of these, or load in full with writeDisposition replace from time to time."
        )
    if parsed.mode == "full" and disposition == "replace":
        return
    if asked == "keyDiff" and not isinstance(sink, KeyedSink):
        raise _invalid(
            "deletes is keyDiff, and this sink cannot tell which keys it holds. Choose a database or an Iceberg "
            "table as sink, or set deletes to soft."
        )
    if disposition not in sink.capabilities().tombstones:
        raise _invalid(
            f"deletes is {asked}, and rows that are gone cannot be taken away where writeDisposition is {disposition}. "
            "Set writeDisposition to merge, or deletes to ignore.",
            field="writeDisposition",
        )


def compares_keys(parsed: RunPolicy, source: SourceEndpoint, target: Target) -> bool:
    """Whether keys say which rows are gone: what replaces everything leaves none behind, a replay has not all rows."""
    return parsed.deletes == "keyDiff" and target.disposition == "merge" and not source.capabilities().replays


def tombstones_of(batch: Any) -> int:
    """How many of the rows say that they were deleted.

    Raises:
        ConfigInvalid: A column of the source's own has the reserved name.
    """
    if isinstance(batch, pa.RecordBatch):
        if OPERATION_COLUMN not in batch.schema.names:
            return 0
        kind = batch.schema.field(OPERATION_COLUMN).type
        if not (pa.types.is_integer(kind) or pa.types.is_null(kind)):
            raise ConfigInvalid(
                f"The unit has a column {OPERATION_COLUMN} of {kind}, and sinks take a column of that name for the "
                "mark of rows that are gone: 0, or 1. Leave it out with the policy's columns, rename it, or, where it "
                "is that mark, say that it is int8.",
                role="source",
                details={"field": "policy.columns", "column": OPERATION_COLUMN},
            )
        return int(pc.sum(pc.equal(batch.column(OPERATION_COLUMN), 1)).as_py() or 0)
    return sum(1 for row in batch if cast("Mapping[str, Any]", row).get(OPERATION_COLUMN) == 1)


def _invalid(message: str, field: str = "deletes") -> ConfigInvalid:
    return ConfigInvalid(message, details={"field": f"policy.{field}"})
