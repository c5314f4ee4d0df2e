"""Who mistypes a name is told what it may be; a name that is none costs nothing."""

from __future__ import annotations

import pytest

from headrace.suggestions import LONGEST, did_you_mean, nearest


def test_names_that_are_alike_are_told_the_likest_first() -> None:
    assert did_you_mean("ordrs", ["items", "orders_old", "orders"]) == " Did you mean orders, orders_old?"


def test_a_name_that_differs_in_case_only_comes_first_and_once() -> None:
    assert nearest("ORDERS", ["ORDER", "orders", "ORDERS2"]) == ["orders", "ORDERS2", "ORDER"]


def test_no_more_names_are_told_than_asked_for() -> None:
    assert nearest("column", [f"column{n}" for n in range(9)], most=1) == ["column8"]
    assert len(nearest("a", ["A"] * 9)) == 3


def test_nothing_is_said_where_nothing_is_alike() -> None:
    assert did_you_mean("orders", ["x", ""]) == did_you_mean("orders", []) == ""


@pytest.mark.parametrize("over", [0, 1])
def test_names_are_compared_up_to_their_longest(over: int) -> None:
    long = "x" * (LONGEST + over)

    assert nearest(long, ["x" * LONGEST]) == ([] if over else ["x" * LONGEST])
    assert nearest("x" * LONGEST, [long]) == ([] if over else [long])
