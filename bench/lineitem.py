"""The table that is moved: TPC-H's lineitem, its types, and the twelve values that a correct copy has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

KEY = ("l_orderkey", "l_linenumber")

# A column, its type in PostgreSQL, and the type that a faithful Parquet file shows to DuckDB.
COLUMNS: Mapping[str, tuple[str, str]] = {
    "l_orderkey": ("bigint", "BIGINT"),
    "l_partkey": ("bigint", "BIGINT"),
    "l_suppkey": ("bigint", "BIGINT"),
    "l_linenumber": ("integer", "INTEGER"),
    "l_quantity": ("numeric(15,2)", "DECIMAL(15,2)"),
    "l_extendedprice": ("numeric(15,2)", "DECIMAL(15,2)"),
    "l_discount": ("numeric(15,2)", "DECIMAL(15,2)"),
    "l_tax": ("numeric(15,2)", "DECIMAL(15,2)"),
    "l_returnflag": ("character(1)", "VARCHAR"),
    "l_linestatus": ("character(1)", "VARCHAR"),
    "l_shipdate": ("date", "DATE"),
    "l_commitdate": ("date", "DATE"),
    "l_receiptdate": ("date", "DATE"),
    "l_shipinstruct": ("character(25)", "VARCHAR"),
    "l_shipmode": ("character(10)", "VARCHAR"),
    "l_comment": ("character varying(44)", "VARCHAR"),
}

# Valid in DuckDB and in PostgreSQL. char(n) is padded with blanks by some and not by others.
CHECKS: Mapping[str, str] = {
    "rows": "count(*)",
    "orderkey": "sum(l_orderkey)",
    "partkey": "sum(l_partkey)",
    "linenumber": "sum(l_linenumber)",
    "quantity": "sum(l_quantity)::decimal(38,2)",
    "extendedprice": "sum(l_extendedprice)::decimal(38,2)",
    "discount": "sum(l_discount)::decimal(38,2)",
    "tax": "sum(l_tax)::decimal(38,2)",
    "shipdate_days": "sum(l_shipdate::date - date '1970-01-01')",
    "shipinstruct_length": "sum(length(rtrim(l_shipinstruct::text)))",
    "comment_length": "sum(length(l_comment))",
    "distinct_keys": "count(distinct l_orderkey * 10 + l_linenumber)",
}
CHECK_SQL = ", ".join(CHECKS.values())


def ddl(table: str, key: bool = True) -> str:
    """The statement that makes a table of this shape."""
    columns = ", ".join(f"{name} {type_} not null" for name, (type_, _) in COLUMNS.items())
    return f"create table {table} ({columns}{', primary key (l_orderkey, l_linenumber)' if key else ''})"


def differences(found: Sequence[object], wanted: Mapping[str, str]) -> list[str]:
    """Of the values of ``CHECK_SQL``, those that differ from the generator's; none when the copy is exact."""
    return [
        f"{name} is {got}, not {wanted[name]}"
        for name, got in zip(CHECKS, found, strict=True)
        if not same(got, wanted[name])
    ]


def same(got: object, want: str) -> bool:
    try:
        return Decimal(str(got)) == Decimal(want)
    except InvalidOperation:
        return False


def other_types(found: Mapping[str, str], side: int) -> list[str]:
    """Columns whose type is not the source's, a line for each type; ``side`` 0 is PostgreSQL, 1 DuckDB."""
    others: dict[str, list[str]] = {}
    for name, types in COLUMNS.items():
        if (type_ := found.get(name, "missing")) != types[side]:
            others.setdefault(type_, []).append(name)
    return [f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} {type_}" for type_, names in others.items()]


def fourfold(once: Mapping[str, str], highest: int) -> dict[str, str]:
    """The values of a table that holds another four times, with keys that go on where the last copy ended."""
    values = {name: str(Decimal(value) * 4) for name, value in once.items()}
    moved = (0 + 1 + 2 + 3) * highest * int(once["rows"])
    return {**values, "orderkey": str(int(values["orderkey"]) + moved)}
