"""How the rows that a table refuses are looked for: with statements that do not grow with all that were found."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from headrace.endpoints.sinks.postgres_judging import Trial

NOBODY: Any = None


@pytest.mark.parametrize(
    ("low", "high", "asked"),
    [
        (5, 9, "r between 5 and 9 and r not in (7)"),
        (8, 8, "r between 8 and 8"),
        (0, 5000, "r between 0 and 5000 and r not in (1, 7, 4000)"),
    ],
)
def test_a_try_names_only_those_refused_rows_that_are_among_its_own(low: int, high: int, asked: str) -> None:
    trial = Trial(NOBODY, NOBODY, NOBODY, "public.orders", most=10_000)
    trial.refused = {row: psycopg.Error() for row in (7, 1, 4000)}

    assert trial.among(low, high) == asked
