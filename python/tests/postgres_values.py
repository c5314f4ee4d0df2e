"""A corpus of PostgreSQL's types and values, with what each becomes in Arrow and in a table that the sink makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
from postgres_server import PostgresServer

TEXT = pa.string()


@dataclass(frozen=True)
class Case:
    """``values`` are SQL; the table of the corpus has a row without a value besides."""

    declared: str
    values: Sequence[str]
    arrow: pa.DataType
    stored: str | None = None
    """The type in a table that the sink made; None: as declared."""
    copied: str | None = None
    """The same where rows came in blocks; None: as ``stored`` says."""

    @property
    def kind(self) -> str:
        if self.arrow != TEXT or self.declared in ("text", "varchar(10)", "char(5)", "words"):
            return "widened" if self.declared == "oid" else "exact"
        return "as text"


def _quoted(*texts: str) -> list[str]:
    return [f"'{text}'" for text in texts]


_REALS = _quoted("NaN", "Infinity", "-Infinity", "-0", "0.1", "1.5")
_MOMENTS = _quoted(
    "4714-11-24 00:00:00 BC", "0044-03-15 12:00:00 BC", "0001-01-01 00:00:00", "1582-10-10 00:00:00",
    "1969-12-31 23:59:59.999999", "1970-01-01 00:00:00", "2024-02-29 23:59:59.000001", "294246-12-31 23:59:59.999999",
)  # fmt: skip
_DAYS = _quoted("4714-11-24 BC", "0044-03-15 BC", "0001-01-01", "1969-12-31", "2024-02-29", "5874897-12-31")
_BYTES = "decode('" + bytes(range(256)).hex() + "', 'hex')"

EXACT: Sequence[Case] = (
    Case("boolean", ["true", "false"], pa.bool_()),
    Case("smallint", ["-32768", "0", "32767"], pa.int16()),
    Case("integer", ["-2147483648", "0", "2147483647"], pa.int32()),
    Case("bigint", ["-9223372036854775808", "9007199254740993", "9223372036854775807"], pa.int64()),
    Case("real", [*_REALS, "'1e-45'", "'3.4028235e38'"], pa.float32()),
    Case("double precision", [*_REALS, "'5e-324'", "'1.7976931348623157e308'"], pa.float64()),
    Case(
        "text",
        ["''", "' '", r"E'\t\n\r\\'", "'😀👨‍👩‍👧'",
         "U&'e\\0301'", "'ﷺ שלום'", "U&'\\FEFF\\FFFD'", "repeat('😀x', 200000)"],
        TEXT,
    ),
    Case("varchar(10)", _quoted("", "ten chars ", "größe"), TEXT, "text", "character varying(10)"),
    Case("char(5)", _quoted("", "ab", "größe"), TEXT, "text", "character(5)"),
    Case("bytea", ["''", _BYTES, r"'\x00'"], pa.binary()),
    Case("date", _DAYS, pa.date32()),
    Case("time without time zone", _quoted("00:00", "23:59:59.999999"), pa.time64("us")),
    Case("timestamp without time zone", _MOMENTS, pa.timestamp("us")),
    Case("timestamp with time zone", [*_MOMENTS, "'2024-06-01 12:00:00.5+05:45'"], pa.timestamp("us", "UTC")),
    Case("numeric(20,4)", ["9999999999999999.9999", "-0.0001", "0"], pa.decimal128(20, 4)),
    Case(
        "timestamp(3) without time zone", _MOMENTS[1:7], pa.timestamp("us"), "timestamp without time zone",
        "timestamp(3) without time zone",
    ),
    Case("numeric(38,9)", ["99999999999999999999999999999.999999999", "-0.000000001", "0"], pa.decimal128(38, 9)),
    Case("numeric(1,0)", ["-9", "0", "9"], pa.decimal128(1, 0)),
    Case("numeric(76,10)", ["9" * 66 + "." + "9" * 10, "-0.0000000001"], pa.decimal256(76, 10)),
    Case("numeric(3,-2)", ["12300", "-99900"], pa.decimal128(5, 0), "numeric(5,0)"),
    Case("numeric(3,5)", ["0.00123", "-0.00999"], pa.decimal128(5, 5), "numeric(5,5)"),
    Case("oid", ["0", "4294967295"], pa.int64(), "bigint"),
    Case("positive", ["1", "2147483647"], pa.int32(), "integer"),
    Case("cents", ["1.25", "-99999999.99"], pa.decimal128(10, 2), "numeric(10,2)"),
    Case("words", ["'a'", "''"], TEXT, "text"),
    Case("smallint[]", ["'{}'", "'{-32768,NULL,32767}'"], pa.list_(pa.int16())),
    Case("bigint[]", ["'{}'", "'{9223372036854775807,NULL}'"], pa.list_(pa.int64())),
    Case("double precision[]", ["'{NaN,Infinity,0.1,NULL}'"], pa.list_(pa.float64())),
    Case("boolean[]", ["'{t,f,NULL}'"], pa.list_(pa.bool_())),
    Case("text[]", ["'{}'", """'{"",NULL,"NULL","a,b","{}","\\\\\\"","😀"}'"""], pa.list_(TEXT)),
    Case("bytea[]", [r"""'{"\\x","\\x00ff",NULL}'"""], pa.list_(pa.binary())),
    Case("date[]", ["'{1969-12-31,NULL,\"0044-03-15 BC\"}'"], pa.list_(pa.date32())),
    Case(
        "timestamp with time zone[]",
        ["'{\"1969-12-31 23:59:59.999999+00\",NULL}'"],
        pa.list_(pa.timestamp("us", "UTC")),
    ),
)  # fmt: skip

AS_TEXT: Sequence[Case] = (
    Case("numeric", ["'NaN'", "'Infinity'", "'-Infinity'", "1e-50", f"{'9' * 200}.{'1' * 200}", "1.10"], TEXT),
    Case("numeric(100,50)", ["1e-50", "-1"], TEXT, "numeric"),
    Case("uuid", _quoted("00000000-0000-0000-0000-000000000000", "FFFFFFFF-ffff-ffff-ffff-ffffffffffff"), TEXT),
    Case("json", _quoted('{"b": 1, "a" : [1.0, null],  "b": "😀"}', "null", '""', "12345678901234567890.10"), TEXT),
    Case("jsonb", _quoted('{"b": 1, "a": [1.0, null]}', "null", '"\\u00e9"', "12345678901234567890.10"), TEXT),
    Case("xml", _quoted('<a b="1">ü</a>', "some <b/> content", ""), TEXT),
    Case("interval", _quoted("1 year -2 mons 3 days -04:05:06.000007", "0", "178000000 years", "-1 us"), TEXT),
    Case("time with time zone", _quoted("00:00+15:59", "24:00:00-00:00:01"), TEXT),
    Case("inet", _quoted("10.0.0.1", "10.0.0.1/8", "::1", "::ffff:1.2.3.4/96"), TEXT),
    Case("cidr", _quoted("10.0.0.0/8", "::/0"), TEXT),
    Case("macaddr", _quoted("08:00:2b:01:02:03"), TEXT),
    Case("macaddr8", _quoted("08:00:2b:01:02:03:04:05"), TEXT),
    Case("bit(5)", ["B'10101'", "B'00000'"], TEXT, "bit varying"),
    Case("bit varying(9)", ["B''", "B'101'"], TEXT, "bit varying"),
    Case("bit(3)[]", ["'{101,000,NULL}'"], TEXT, "bit varying[]"),
    Case("int4range", _quoted("empty", "[1,5)", "(,)", "[3,)"), TEXT),
    Case("numrange", _quoted("(0.1,1e3]", "[NaN,NaN]"), TEXT),
    Case("tstzrange", _quoted("[2024-01-01 00:00:00.000001+00,infinity)"), TEXT),
    Case("daterange", _quoted("[1969-12-31,2024-01-01)"), TEXT),
    Case("int4multirange", _quoted("{}", "{[1,3),[5,9)}"), TEXT),
    Case("point", _quoted("(0.1,-1e300)"), TEXT),
    Case("line", _quoted("{1,-1,0.1}"), TEXT),
    Case("lseg", _quoted("[(0,0),(0.1,1)]"), TEXT),
    Case("box", _quoted("(1,1),(0.1,0)"), TEXT),
    Case("path", _quoted("[(0,0),(0.1,1)]", "((0,0),(1,1),(2,0))"), TEXT),
    Case("polygon", _quoted("((0,0),(0.1,1),(2,0))"), TEXT),
    Case("circle", _quoted("<(0.1,0),2>"), TEXT),
    Case("tsvector", ["to_tsvector('simple', 'a fat ''cat''')"], TEXT),
    Case("tsquery", ["'fat & (rat | !cat:AB*)'"], TEXT),
    Case("pg_lsn", _quoted("0/0", "FFFFFFFF/FFFFFFFF"), TEXT),
    Case("uuid[]", _quoted("{}", "{00000000-0000-0000-0000-000000000001,NULL}"), TEXT),
    Case("numeric[]", _quoted("{NaN,1.10,NULL}"), TEXT),
    Case("jsonb[]", ["array['{\"a\": 1}'::jsonb, null]"], TEXT),
    Case("interval[]", _quoted("{1 day,NULL}"), TEXT),
    Case("mood", _quoted("ok", "größer"), TEXT, "text"),
    Case("mood[]", _quoted("{ok,NULL}"), TEXT, "text[]"),
    Case("place", ["row(1, 'a \"b\", c')::place", "row(null, '')::place"], TEXT, "text"),
    Case("money", ["'-1234.56'", "'92233720368547758.07'"], TEXT, "text"),
    Case("name", _quoted("orders"), TEXT, "text"),
    Case('"char"', _quoted("x"), TEXT, "text"),
    Case("xid8", _quoted("18446744073709551615"), TEXT, "text"),
    Case("jsonpath", _quoted('$."a"[*]?(@ > 1)'), TEXT, "text"),
    Case("hstore", _quoted('"a"=>"1", "b"=>NULL'), TEXT, "text"),
)

CASES: Sequence[Case] = (*EXACT, *AS_TEXT)

REFUSED: Sequence[tuple[str, str]] = (
    ("date", "'infinity'"),
    ("date", "'-infinity'"),
    ("timestamp", "'infinity'"),
    ("timestamp", "'-infinity'"),
    ("timestamp", "'294276-12-31 23:59:59'"),
    ("timestamptz", "'infinity'"),
    ("timestamptz", "'-infinity'"),
    ("timestamptz", "'294276-12-31 23:59:59+00'"),
    ("time", "'24:00:00'"),
    ("numeric(10,2)", "'NaN'"),
    ("int[]", "'{{1,2},{3,4}}'"),
    ("int[]", "'[0:1]={1,2}'"),
    ("text[]", "'{{{a}}}'"),
    ("uuid[]", "'{{00000000-0000-0000-0000-000000000001}}'"),
    ("date[]", "'{2024-01-01,infinity}'"),
    ("timestamptz[]", "'{-infinity}'"),
    ("time[]", "'{24:00:00}'"),
)
"""A type and a value of it that Arrow cannot say."""

AROUND: Sequence[str] = (
    "create type mood as enum ('ok', 'größer')",
    "create type place as (n int, label text)",
    "create domain positive as int check (value > 0)",
    "create domain cents as numeric(10,2)",
    "create domain words as text",
    "create extension if not exists hstore schema public",
)


CORPUS = "corpus"
"""The database of the table ``everything``."""

ROWS = max(len(case.values) for case in CASES) + 1


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def fill(server: PostgresServer) -> None:
    """Every case as a column of one table, called as it is declared; rows beyond a case's values are NULL in it."""
    columns = ", ".join(f"{quoted(case.declared)} {case.declared}" for case in CASES)
    server.database(*AROUND, f"create table everything (id int primary key, {columns})", name=CORPUS)
    with server.connect(CORPUS) as connection:
        for number in range(ROWS):
            values = [case.values[number] if number < len(case.values) else "null" for case in CASES]
            connection.execute(f"insert into everything values ({number}, {', '.join(values)})".encode())
