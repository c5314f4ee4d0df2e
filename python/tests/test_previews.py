"""What a preview shows of each kind of value: itself where JSON says it exactly, text where it does not."""

from __future__ import annotations

import datetime
import json
import uuid
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from headrace.previews import json_values, preview_of


@pytest.mark.parametrize(
    ("values", "kind", "shown"),
    [
        ([True, None], pa.bool_(), [True, None]),
        ([2**53 - 1, -(2**53) + 1, None], pa.int64(), [2**53 - 1, -(2**53) + 1, None]),
        ([2**53, -(2**53), 2**64 - 1 - 2**63], pa.int64(), ["9007199254740992", "-9007199254740992", str(2**63 - 1)]),
        ([0.5, float("nan"), float("-inf"), None], pa.float64(), [0.5, "nan", "-inf", None]),
        ([b"\x00\xff", None], pa.binary(), ["\\x00ff", None]),
        (["é", "", None], pa.large_string(), ["é", "", None]),
        ([Decimal("1.50"), None], pa.decimal128(9, 2), ["1.50", None]),
        ([datetime.date(1969, 12, 31), None], pa.date32(), ["1969-12-31", None]),
        ([datetime.timedelta(seconds=1)], pa.month_day_nano_interval(), None),
        ([["a", None], [], None], pa.list_(pa.string()), [["a", None], [], None]),
        ([{"a": 2**53, "b": None}, None], pa.struct({"a": pa.int64(), "b": pa.binary()}),
         [{"a": "9007199254740992", "b": None}, None]),
        (["x", "x", None], pa.dictionary(pa.int8(), pa.string()), ["x", "x", None]),
        ([uuid.UUID(int=1).bytes], pa.uuid(), ["\\x" + "0" * 31 + "1"]),
    ],
)  # fmt: skip
def test_a_value_is_itself_where_json_says_it_exactly_and_text_where_not(
    values: list[Any], kind: pa.DataType, shown: list[Any] | None
) -> None:
    found = json_values(pa.array(values, kind))

    assert json.loads(json.dumps(found)) == found
    assert found == shown or (shown is None and isinstance(found[0], str))


def test_a_row_has_every_column_that_was_described_and_every_one_that_came() -> None:
    batches = [pa.record_batch({"a": [1]}), pa.record_batch({"b": ["x"], "a": [2]})]

    shown = preview_of({"a": "int", "z": "text"}, batches)

    assert [(column.name, column.type) for column in shown.columns] == [("a", "int"), ("z", "text"), ("b", "string")]
    assert shown.rows == [{"a": 1, "z": None, "b": None}, {"a": 2, "z": None, "b": "x"}]
