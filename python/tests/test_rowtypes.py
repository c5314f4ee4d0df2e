"""Which Arrow type a column of Python values gets, and which columns there cannot be."""

from __future__ import annotations

import datetime
import enum
import uuid
from collections import OrderedDict
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from values import SCALARS

from headrace.rowtypes import NoCommonType, field_of, is_json, join, json_field, to_json, type_of

BERLIN = ZoneInfo("Europe/Berlin")


class Colour(enum.IntEnum):
    RED = 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, pa.null()),
        (True, pa.bool_()),
        (-(2**63), pa.int64()),
        (0.5, pa.float64()),
        ("", pa.string()),
        (bytearray(b"x"), pa.binary()),
        (Decimal("1.50"), pa.decimal128(3, 2)),
        (Decimal("1E+5"), pa.decimal128(6, 0)),
        (Decimal("0.001"), pa.decimal128(3, 3)),
        (Decimal(10) ** 38, pa.decimal256(39, 0)),
        (datetime.date(2024, 1, 1), pa.date32()),
        (datetime.datetime(2024, 1, 1), pa.timestamp("us")),
        (datetime.datetime(2024, 1, 1, tzinfo=BERLIN), pa.timestamp("us", tz="Europe/Berlin")),
        (datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC), pa.timestamp("us", tz="UTC")),
        (
            datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=-5))),
            pa.timestamp("us", tz="-05:00"),
        ),
        (datetime.time(1), pa.time64("us")),
        (datetime.timedelta(1), pa.duration("us")),
        (uuid.UUID(int=1), pa.uuid()),
        ([1, None], pa.list_(pa.int64())),
        ([], pa.list_(pa.null())),
        ({"a": {"b": 1}}, pa.struct([("a", pa.struct([("b", pa.int64())]))])),
    ],
    ids=repr,
)
def test_a_value_has_the_narrowest_type_that_keeps_it(value: Any, expected: pa.DataType) -> None:
    assert type_of(value) == expected


NOT_CARRIED: dict[str, tuple[Any, str]] = {
    "an integer of 65 bits": (2**63, "wider than 64 bits"),
    "a negative integer of 65 bits": (-(2**63) - 1, "wider than 64 bits"),
    "a decimal that is not a number": (Decimal("NaN"), "not finite"),
    "an infinite decimal": (Decimal("-Infinity"), "not finite"),
    "a decimal of 77 digits": (Decimal(10) ** 76, "77 digits"),
    "a decimal of 77 places": (Decimal("1E-77"), "77 digits"),
    "a time of day with a zone": (datetime.time(1, tzinfo=datetime.UTC), "use a timestamp"),
    "an offset of seconds": (
        datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(seconds=30))), "has no name",
    ),
    "a time that clocks skipped": (datetime.datetime(2024, 3, 31, 2, 30, tzinfo=BERLIN), "clocks skipped it"),
    "before the year 1 in UTC": (datetime.datetime.min.replace(tzinfo=ZoneInfo("Etc/GMT-5")), "outside the years"),
    "after the year 9999 in UTC": (datetime.datetime.max.replace(tzinfo=ZoneInfo("Etc/GMT+5")), "outside the years"),
    "a tuple": ((1, 2), "type tuple"),
    "a set": ({1}, "type set"),
    "a member of an enumeration": (Colour.RED, "type Colour"),
    "a dictionary of another kind": (OrderedDict(a=1), "OrderedDict"),
}  # fmt: skip


@pytest.mark.parametrize("what", NOT_CARRIED)
def test_what_no_type_keeps_is_refused_with_the_reason(what: str) -> None:
    value, reason = NOT_CARRIED[what]

    with pytest.raises(NoCommonType, match=reason) as refusal:
        field_of("value", [None, value])

    assert refusal.value.position == 1


@pytest.mark.parametrize(
    "values",
    [
        [1, True],
        [1, 1.0],
        [1, "1"],
        ["x", b"x"],
        [Decimal(1), 1],
        [Decimal(1), 1.5],
        [datetime.date(2024, 1, 1), datetime.datetime(2024, 1, 1)],
        [datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 1, tzinfo=BERLIN)],
        [datetime.datetime(2024, 1, 1, tzinfo=BERLIN), datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)],
        [Decimal(10) ** 75, Decimal("0.01")],
    ],
    ids=repr,
)
def test_values_that_a_common_type_would_alter_share_no_column(values: list[Any]) -> None:
    with pytest.raises(NoCommonType) as refusal:
        field_of("value", [values[0], None, *values])

    assert refusal.value.position == 3


@given(data=st.data(), kinds=st.tuples(st.sampled_from(sorted(SCALARS)), st.sampled_from(sorted(SCALARS))))
def test_columns_of_one_kind_have_a_type_and_columns_of_two_have_none(
    data: st.DataObject, kinds: tuple[str, str]
) -> None:
    values = [data.draw(SCALARS[kind]) for kind in kinds]

    if kinds[0] == kinds[1]:
        assert not is_json(field_of("value", values))
    else:
        with pytest.raises(NoCommonType):
            field_of("value", values)


@given(st.lists(st.one_of(*SCALARS.values()) | st.none(), min_size=3, max_size=3))
def test_joining_types_depends_neither_on_order_nor_on_grouping(values: list[Any]) -> None:
    one, two, three = (type_of(value) for value in values)

    assert _joined(one, two) == _joined(two, one)
    assert _joined(_joined(one, two), three) == _joined(one, _joined(two, three))
    assert _joined(one, one) == one


def _joined(one: pa.DataType | None, other: pa.DataType | None) -> pa.DataType | None:
    try:
        return None if one is None or other is None else join(one, other)
    except ValueError:
        return None


@pytest.mark.parametrize(
    "values",
    [[{"a": 1}, {"b": 1}], [{"a": 1}, {"a": "x"}], [[1], ["x"]], [{}], [1, {"a": 1}], [[1, "x"]], [{"a": 2**70}, {}]],
    ids=repr,
)
def test_nested_values_of_different_shape_are_json(values: list[Any]) -> None:
    assert field_of("value", values) == json_field("value")


@pytest.mark.parametrize(
    "values",
    [
        [{"a": 1}, {"b": float("nan")}],
        [{"a": 1}, {"b": datetime.date(2024, 1, 1)}],
        [[1], [b"x"]],
        [{"a": 1}, {"b": (1, 2)}],
        [{"a": 1}, {1: 2}],
        [{}, Decimal(1)],
    ],
    ids=repr,
)
def test_nested_values_that_json_would_alter_are_refused(values: list[Any]) -> None:
    with pytest.raises(NoCommonType, match="JSON cannot say") as refusal:
        field_of("value", values)

    assert refusal.value.position == 1


def test_an_absent_value_of_a_json_column_stays_absent() -> None:
    assert (to_json(None), to_json("null"), to_json([None])) == (None, '"null"', "[null]")
