"""Which sources and sinks the corpus of values is carried between, and what is known of each pair.

A line here puts an endpoint into the matrix: every source is carried to every
sink through every staging provider. ``outcomes.jsonl`` keeps what becomes of
each column. The test holds it to what happens, the page is written from it, and
``RECORD_TYPES=1`` has the test write it anew.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from fidelity.arrow_files import ArrowOrigin, ParquetOrigin
from fidelity.carrying_types import Outcome
from fidelity.contract import Origin, Place
from fidelity.iceberg_tables import IcebergPlace
from fidelity.parquet_files import ParquetPlace
from fidelity.postgres_tables import AdoptedOrigin, DuckDBOrigin, PostgresOrigin, PostgresPlace
from fidelity.s3_objects import ObjectOrigin
from fidelity.text_files import CsvOrigin, JsonLinesOrigin

ORIGINS: Mapping[str, Callable[[Path], Origin]] = {
    "jdbc.postgres": lambda _: PostgresOrigin.made(),
    "file.local csv": CsvOrigin,
    "file.local jsonl": JsonLinesOrigin,
    "file.local parquet": ParquetOrigin,
    "file.local arrow": ArrowOrigin,
}
PLACES: Mapping[str, Callable[[Path], Place]] = {
    "jdbc.postgres": lambda _: PostgresPlace(),
    "file.local": ParquetPlace,
    "warehouse.iceberg": IcebergPlace,
}
NATIVE: Mapping[tuple[str, str], tuple[Callable[[Path], Origin], str]] = {
    ("jdbc.postgres", "file.local"): (lambda _: DuckDBOrigin.made(), "DuckDB"),
    ("jdbc.postgres", "warehouse.iceberg"): (lambda _: AdoptedOrigin.made(), "DuckDB"),
}
"""Pairs that have a way beside Arrow: a corpus that takes it, and the program that the sink's files name then."""

ORIGINS_IN_A_BUCKET: Mapping[str, Callable[[Path], Origin]] = {
    name: lambda base, files=files: ObjectOrigin(files(base))
    for name, files in ORIGINS.items()
    if name.startswith("file.local")
}
"""``object.s3`` reads objects as ``file.local`` reads files; ``BucketPlace`` holds what files hold."""

RECORDS = Path(__file__).with_name("outcomes.jsonl")

Outcomes = Mapping[str, Outcome]
"""By column."""


def recorded() -> Mapping[tuple[str, str], Outcomes]:
    """By source and sink, in the order of the tables above."""
    found: dict[tuple[str, str], dict[str, Outcome]] = {}
    for line in RECORDS.read_text().splitlines() if RECORDS.exists() else []:
        said = json.loads(line)
        pair, name = (said.pop("source"), said.pop("sink")), said.pop("column")
        found.setdefault(pair, {})[name] = Outcome(**said)
    return {pair: found[pair] for pair in itertools.product(ORIGINS, PLACES) if pair in found}


def record(origin: str, place: str, outcomes: Outcomes) -> None:
    """Outcomes of one pair in place of those known."""
    known = {**recorded(), (origin, place): outcomes}
    lines = [
        json.dumps({"source": pair[0], "sink": pair[1], "column": name, **outcome.recorded()}, ensure_ascii=False)
        for pair in itertools.product(ORIGINS, PLACES)
        for name, outcome in known.get(pair, {}).items()
    ]
    RECORDS.write_text("".join(f"{line}\n" for line in lines))
