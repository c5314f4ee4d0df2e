"""What the page of types says beside what was recorded: names that readers know, groups, and why a type is wider."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

SINKS: Mapping[str, str] = {
    "jdbc.postgres": "in PostgreSQL",
    "file.local": "in Parquet",
    "warehouse.iceberg": "in Iceberg",
}

SOURCES: Mapping[str, tuple[str, str]] = {
    "jdbc.postgres": (
        "From PostgreSQL",
        "Two ways lead to Parquet and to Iceberg, through Arrow and through DuckDB: both write the same.",
    ),
    "file.local csv": (
        "From CSV",
        "A column is text unless [`column_types`](../ENDPOINTS.md#filelocal) says what it is. A field without anything "
        'is NULL, `""` is empty text.',
    ),
    "file.local jsonl": (
        "From JSON lines",
        "A column is what its values are, or what [`column_types`](../ENDPOINTS.md#filelocal) says.",
    ),
    "file.local parquet": (
        "From Parquet",
        "Types as other programs write them, in the words of the format. An `INT96`, as Spark, Hive and Impala write, "
        "is a `TIMESTAMP(MICROS)` of any year; one with nanoseconds is refused: `ROW_REJECTED`.",
    ),
    "file.local arrow": ("From Arrow", "Types of an Arrow IPC file."),
}
"""Heading, and what one has to know before reading its table."""

GROUPS: Mapping[str, Sequence[tuple[str, str]]] = {
    "jdbc.postgres": (
        ("Arrays", r".*\[\]"),
        ("Numbers", r"boolean|smallint|integer|bigint|real|double precision|numeric.*|oid|money|xid8"),
        ("Text and bytes", r'text|varchar.*|char\(.*|bytea|bit.*|name|"char"'),
        ("Dates and times", r"date|time.*|interval"),
        ("Documents, keys and addresses", r"json.*|xml|uuid|inet|cidr|macaddr.*|pg_lsn|tsvector|tsquery"),
        ("Ranges and shapes", r".*range|point|line|lseg|box|path|polygon|circle"),
        ("Types of one's own", r".*"),
    )
}
"""Of a source with many types: the first pattern that fits a column says where it stands."""

ORDER = (
    "Numbers", "Text and bytes", "Dates and times", "Documents, keys and addresses", "Arrays", "Types of one's own",
)  # fmt: skip
"""Groups that come first."""

LABELS: Mapping[str, str | None] = {
    "numeric(20,4)": "`numeric(20,4)`, as every `numeric(p,s)` to 38 digits",
    "numeric(38,9)": None,
    "numeric(1,0)": None,
    "numeric(76,10)": "`numeric(76,10)`, as every `numeric(p,s)` of 39 to 76 digits",
    "numeric(100,50)": "`numeric(100,50)`, as every one of more digits",
    "numeric(3,-2)": "`numeric(3,-2)`, of negative scale",
    "numeric(3,5)": "`numeric(3,5)`, of more places than digits",
    "numeric": "`numeric` without bounds; its NaN and infinities too",
    "varchar(10)": "`varchar(10)`, as every `varchar`",
    "char(5)": "`char(5)`, with its blanks",
    "time without time zone": "`time`",
    "timestamp without time zone": "`timestamp`, years 4714 BC to 294246",
    "timestamp with time zone": "`timestamptz`, years 4714 BC to 294246",
    "timestamp with time zone[]": "`timestamptz[]`",
    "timestamp(3) without time zone": "`timestamp(3)`",
    "time with time zone": "`timetz`",
    "date": "`date`, years 4714 BC to 5874897",
    "interval": "`interval`, as ISO 8601 such as `P1Y-2M3DT-4H`",
    "bit(5)": "`bit(5)`",
    "bit varying(9)": "`bit varying(9)`",
    "positive": "a domain over `integer`, as over every type: as its base",
    "cents": "a domain over `numeric(10,2)`",
    "words": "a domain over `text`",
    "mood": "an enum",
    "mood[]": "an array of an enum",
    "place": "a composite type",
    "hstore": "a type of an extension, such as `hstore`",
}
"""How a column of the corpus is called where its name is not what readers look for; None for one that another says."""

WHY: Sequence[tuple[str, str]] = (
    (r"(u?int|smallint|UINT|INT\().*", "the next wider integer there is"),
    (r"oid", "there is no unsigned type of 32 bits"),
    (r"FLOAT16|halffloat", "there is no float of 16 bits"),
    (r"numeric\(3,.*|decimal128\(5, -2\)", "there is no such scale"),
    (r"numeric\(100,50\)", "without its bounds"),
    (r"bit.*|fixed_size_list.*|FIXED_LEN_BYTE_ARRAY.*|fixed_size_binary.*", "its length is not kept"),
    (r"time.*\(3\).*|TIME.*MILLIS.*|time.*\[m?s.*", "with more digits of a second"),
    (r"duration.*", "its microseconds; readers of Arrow see a duration"),
    (r"null|NULL", "a column of nothing but NULL"),
    (r"TIME.*NANOS.*|time.*\[ns.*", "if it has no nanoseconds; else `ROW_REJECTED`"),
)
"""Why a column is wider in a sink, or when it fits; by the name it has in the corpus."""

TEXT_LABELS: Mapping[str, str] = {
    "no type": "nothing in `column_types`",
    "double": "`double`, the nearest to the digits that stand there",
    "integer": "an integer",
    "number": "a number with a fraction or an exponent, and integers among such",
    "true, false": "`true`, `false`",
    "object": "an object",
    "list": "a list",
    "text": "a text",
}
"""The same for CSV and JSON lines."""

CODES: Mapping[str, str] = {"RowRejected": "ROW_REJECTED", "SchemaChanged": "SCHEMA_DRIFT"}


def label(source: str, column: str) -> str | None:
    known: Mapping[str, str | None] = LABELS if source == "jdbc.postgres" else {}
    if source in ("file.local csv", "file.local jsonl"):
        known = TEXT_LABELS
    return known.get(column, f"`{column}`")


def why(column: str) -> str:
    """Raises ``StopIteration`` when nobody has said why."""
    return next(said for pattern, said in WHY if re.fullmatch(pattern, column))


def group(source: str, column: str) -> str:
    return next((title for title, pattern in GROUPS.get(source, ()) if re.fullmatch(pattern, column)), "")
