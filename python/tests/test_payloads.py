"""Rows that are set aside: people can read them, and they come back as they were."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from headrace.payloads import LONGEST_PAYLOAD, rejected_row, row_of
from headrace.refusals import RefusedRow

VALUES: list[Any] = [
    1, 2**60, 1.5, float("nan"), "größe 😀 \0", b"\x00\xff", None, True, Decimal("1.20"),
    datetime.datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=datetime.UTC), datetime.date(1969, 1, 1), [1, None], {"a": [1]},
]  # fmt: skip


def kept(batch: pa.RecordBatch, position: int = 0) -> RefusedRow:
    return RefusedRow(position=position, code="CONSTRAINT", reason="why", row=batch.slice(position, 1))


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_row_comes_back_as_it_was(value: Any) -> None:
    batch = pa.record_batch([pa.array([value, value])], names=["c"])

    payload = rejected_row(kept(batch, 1), 1).payload

    assert payload is not None
    found = row_of(payload)
    assert found is not None
    assert found.schema.equals(batch.schema, check_metadata=True)
    assert repr(found.to_pylist()) == repr(batch.slice(1).to_pylist())
    assert "row" in json.loads(payload)


def test_a_row_of_a_large_batch_is_kept_alone() -> None:
    batch = pa.record_batch([pa.array(["x" * 100] * 100_000)], names=["c"])

    payload = rejected_row(kept(batch, 99_999), 99_999).payload

    assert payload is not None and len(payload) < 2000


def test_equal_rows_have_one_hash_and_others_another() -> None:
    batch = pa.record_batch([pa.array(["a", "a", "b"])], names=["c"])

    hashes = [rejected_row(kept(batch, at), at).sha256 for at in range(3)]

    assert hashes[0] == hashes[1] != hashes[2]


def test_a_row_too_long_to_be_kept_has_its_hash_alone() -> None:
    batch = pa.record_batch([pa.array(["x" * LONGEST_PAYLOAD])], names=["c"])

    found = rejected_row(kept(batch), 0)

    assert (found.payload, len(found.sha256)) == (None, 64)


@pytest.mark.parametrize("text", ["plain", "lone \ud800 surrogate", "NUL \0"])
def test_what_never_was_a_row_is_kept_as_text(text: str) -> None:
    found = rejected_row(RefusedRow(position=3, code="MALFORMED", reason="why", text=text), 8)

    assert found.payload is not None
    assert (found.position, json.loads(found.payload)) == (8, {"text": text})
    assert row_of(found.payload) is None
