"""Binary COPY made of Arrow, read back by PostgreSQL: numbers of every size, and parts of longer batches."""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal, localcontext

import pyarrow as pa
import pytest
from postgres_server import PostgresServer, postgres_server

from headrace.endpoints.sinks.postgres_encoding import encoded

SEED = 20261128


@pytest.fixture(scope="module")
def server() -> PostgresServer:
    return postgres_server()


def differing(server: PostgresServer, kind: str, arrow: pa.DataType, values: Sequence[object], told: list[str]) -> int:
    """How many of the values are not what ``told`` is to the server, which gets both from the middle of batches."""
    around = pa.record_batch({"v": pa.array([values[0], *values, values[0]], arrow), "told": ["0", *told, "0"]})
    half = len(values) // 2
    parts = [around.slice(1, half), around.slice(1 + half, len(values) - half)]
    with server.connect("postgres") as connection, connection.cursor() as cursor:
        cursor.execute(f"create temporary table sent (v {kind}, told text)".encode())
        with cursor.copy(b"copy sent from stdin (format binary)") as copy:
            for block in encoded(around.schema, parts):
                copy.write(block)
        cursor.execute(
            f"select count(*), count(*) filter (where v::text is distinct from told::{kind}::text) from sent".encode()
        )
        ((rows, wrong),) = cursor.fetchall()
    assert rows == len(values)
    return wrong


@pytest.mark.parametrize(
    ("digits", "places"),
    [(1, 0), (1, 1), (4, 4), (5, 2), (9, 3), (15, 2), (18, 18), (19, 0), (38, 0), (38, 1), (38, 19), (38, 38)],
)
def test_decimals_of_every_size_keep_their_digits_and_their_scale(
    server: PostgresServer, digits: int, places: int
) -> None:
    """The scale shows in a ``numeric`` that declares none; PostgreSQL's own digits are groups of four."""
    chance = random.Random(f"{SEED} {digits} {places}")
    whole = [0, 1, 10**digits - 1, *(10**size for size in range(digits))]
    whole += [chance.randrange(10 ** chance.randint(1, digits)) for _ in range(300)]
    with localcontext(prec=100):
        values = [Decimal(number * sign).scaleb(-places) for number in whole for sign in (1, -1)]
        told = [format(value + 0, "f") for value in values]

    for kind in ("numeric", f"numeric({digits},{places})"):
        assert differing(server, kind, pa.decimal128(digits, places), values, told) == 0


@pytest.mark.parametrize(
    ("kind", "arrow", "bits"), [("smallint", pa.int16(), 16), ("integer", pa.int32(), 32), ("bigint", pa.int64(), 64)]
)
def test_whole_numbers_are_kept_to_their_ends(server: PostgresServer, kind: str, arrow: pa.DataType, bits: int) -> None:
    chance, low, high = random.Random(f"{SEED} {kind}"), -(2 ** (bits - 1)), 2 ** (bits - 1)
    values = [low, -1, 0, 1, high - 1, *(chance.randrange(low, high) for _ in range(300))]

    assert differing(server, kind, arrow, values, [str(value) for value in values]) == 0


@pytest.mark.parametrize(("kind", "arrow"), [("text", pa.string()), ("text[]", pa.list_(pa.string()))])
def test_texts_and_lists_are_cut_where_a_part_of_a_batch_begins(
    server: PostgresServer, kind: str, arrow: pa.DataType
) -> None:
    texts = ["", "a", "größe", "😀" * 50, "x" * 70_000] * 5
    values = [[text, None] for text in texts] if kind.endswith("[]") else texts
    told = [f'{{"{text}",NULL}}' for text in texts] if kind.endswith("[]") else texts

    assert differing(server, kind, arrow, values, told) == 0
