"""How the rows that a table refuses are looked for: in few statements, which do not grow with all that were found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from postgres_server import postgres_server
from quarantine_carrying import ALL, SAME_TABLE, Carrying, lake, shop

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


def test_a_refused_row_is_found_in_a_handful_of_tries_however_many_rows_lie_around_it(tmp_path: Path) -> None:
    server = postgres_server()
    shop(server, "create table orders as select i as id, i % 200 as kind from generate_series(1, 4000) i")
    lake(
        server,
        "create table orders (id int, kind int check (kind <> 3))",
        "create sequence tries",  # which no rollback takes back
        "create function count_it() returns trigger language plpgsql as "
        "$$ begin perform nextval('tries'); return null; end $$",
        "create trigger t before insert on orders for each statement execute function count_it()",
    )

    finished = Carrying(server, tmp_path).run({**SAME_TABLE, "quarantine": ALL})

    ((tries,),) = server.rows("lake", "select last_value from tries")
    assert (finished.errors, finished.stats["rejected_rows"]) == ([], 20)
    assert tries < 5 * 20
