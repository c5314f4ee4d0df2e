"""What a CSV file says is what is read: every value, NULLs apart from empty text, or an error that names the line."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from endpoints.sources.local_files_reading import rows_of, source
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.endpoints.sources import files_records
from headrace.errors import RowRejected


def csv(base: Path, content: str | bytes, name: str = "f.csv") -> Path:
    path = base / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(base: Path, content: str | bytes, types: Mapping[str, str] | None = None) -> RowRejected:
    csv(base, content)
    with pytest.raises(RowRejected) as refusal:
        rows_of(base, "f.csv", types)
    assert str(base / "f.csv") in refusal.value.message
    return refusal.value


# ---- values


def test_nothing_is_guessed_so_every_value_stays_the_text_it_is(tmp_path: Path) -> None:
    csv(tmp_path, "zip,wide,price,when,flag\n00501,92233720368547758070,1.10,2024-01-02,true\n")

    assert rows_of(tmp_path, "f.csv") == [
        {"zip": "00501", "wide": "92233720368547758070", "price": "1.10", "when": "2024-01-02", "flag": "true"}
    ]


def test_a_named_type_holds_the_value_exactly(tmp_path: Path) -> None:
    csv(
        tmp_path,
        "i,p,d,t,z,b,f\n"
        "-9223372036854775808,0.10,1969-12-31,2024-01-02 03:04:05.123456,2024-01-02T03:04:05+02:00,true,0.1\n",
    )
    types = {
        "i": "int64",
        "p": "decimal(12,2)",
        "d": "date",
        "t": "timestamp",
        "z": "timestamptz",
        "b": "bool",
        "f": "double",
    }

    (row,) = rows_of(tmp_path, "f.csv", types)

    zone = datetime.UTC
    assert {**row, "z": row["z"].astimezone(zone)} == {
        "i": -(2**63), "p": Decimal("0.10"), "d": datetime.date(1969, 12, 31),
        "t": datetime.datetime(2024, 1, 2, 3, 4, 5, 123456), "z": datetime.datetime(2024, 1, 2, 1, 4, 5, tzinfo=zone),
        "b": True, "f": 0.1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("int64", "9223372036854775808"), ("int64", "1.0"), ("int64", "x"), ("int8", "128"), ("decimal(4,2)", "1.005"),
        ("decimal(4,2)", "123.45"), ("double", "1e400"), ("double", "1,5"), ("bool", "yes"), ("date", "02.01.2024"),
        ("timestamp", "2024-01-02T03:04:05.1234567"), ("timestamp", "2024-01-02T03:04:05Z"),
        ("timestamptz", "2024-01-02T03:04:05"), ("json", "{"),
    ],
)  # fmt: skip
def test_a_value_that_a_named_type_cannot_hold_is_refused_by_line_and_column(
    tmp_path: Path, word: str, value: str
) -> None:
    good = {"bool": "true", "date": "2024-01-01", "timestamp": "2024-01-01", "timestamptz": "2024-01-01 00:00Z"}
    line = f'"{good.get(word, "1")}",n\n'

    refusal = refused(tmp_path, f'v,n\n{line * 3}"{value}",n\n{line}', {"v": word})

    assert (refusal.details["line"], refusal.details["column"]) == (5, "v")
    assert f"column 'v' is no {word}" in refusal.message
    assert "column_types" in refusal.message


def test_infinity_and_not_a_number_are_doubles_when_they_are_written_as_such(tmp_path: Path) -> None:
    csv(tmp_path, "f,n\ninf,1\n-inf,2\nnan,3\n")

    found = [row["f"] for row in rows_of(tmp_path, "f.csv", {"f": "double"})]

    assert [str(value) for value in found] == ["inf", "-inf", "nan"]


def test_a_field_without_anything_is_null_and_a_quoted_one_is_empty(tmp_path: Path) -> None:
    csv(tmp_path, 'a,b\n,""\n')

    assert rows_of(tmp_path, "f.csv") == [{"a": None, "b": ""}]


def test_a_blank_line_is_a_null_in_a_file_of_one_column_and_nothing_in_others(tmp_path: Path) -> None:
    csv(tmp_path, "a\nx\n\ny\n", "one.csv")
    csv(tmp_path, "a,b\nx,1\n\n\r\ny,2\n", "two.csv")
    csv(tmp_path, "a,b\r\nx,1\r\n\r\ny,2\r\n", "crlf.csv")

    assert rows_of(tmp_path, "one.csv") == [{"a": "x"}, {"a": None}, {"a": "y"}]
    for name in ("two.csv", "crlf.csv"):
        assert rows_of(tmp_path, name) == [{"a": "x", "b": "1"}, {"a": "y", "b": "2"}]


FIELD = st.none() | st.text(
    st.characters(codec="utf-8", exclude_characters="\0") | st.sampled_from('",\r\n\ufeff'), max_size=6
)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.lists(FIELD, min_size=2, max_size=2), max_size=6), block=st.integers(5, 40), size=st.integers(1, 4)
)
def test_however_a_file_is_divided_its_values_are_those_that_were_written(
    rows: list[list[str | None]], block: int, size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = tmp_path_factory.mktemp("csv")
    lines = [",".join("" if v is None else '"' + v.replace('"', '""') + '"' for v in row) for row in rows]
    csv(base, "\r\n".join(["a,b", *lines, ""]))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(files_records, "BLOCK_BYTES", block)
        opened, policy = source(base), {"mode": "full", "targetSliceSize": size}
        plan = opened.plan("f.csv", None, policy)
        found = [
            row for each in plan.slices for batch in opened.read("f.csv", each, policy) for row in batch.to_pylist()
        ]
        opened.close()

    assert found == [dict(zip("ab", row, strict=True)) for row in rows]


def test_a_line_end_within_a_value_survives_wherever_a_block_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files_records, "BLOCK_BYTES", 64)
    values = ["x" * (n % 41) + "\r\n" for n in range(500)]
    csv(tmp_path, "a,b\n" + "".join(f'"{value}",n\n' for value in values))

    assert [row["a"] for row in rows_of(tmp_path, "f.csv")] == values


def test_quotes_within_an_unquoted_field_are_characters_like_others(tmp_path: Path) -> None:
    csv(tmp_path, 'a,b\n5" pipe,6\n"x"y",z\n')

    assert rows_of(tmp_path, "f.csv") == [{"a": '5" pipe', "b": "6"}, {"a": 'xy"', "b": "z"}]


def test_line_ends_may_be_of_both_kinds_and_a_blank_after_a_delimiter_belongs_to_the_value(tmp_path: Path) -> None:
    csv(tmp_path, 'a,b\r\n1,2\n3, 4\r\n"5\r\n","6\n"\n')

    assert rows_of(tmp_path, "f.csv") == [{"a": "1", "b": "2"}, {"a": "3", "b": " 4"}, {"a": "5\r\n", "b": "6\n"}]


# ---- rows that cannot be carried


@pytest.mark.parametrize(
    ("content", "line", "why"),
    [
        ("a,b\n1,2\n\n3\n", 4, "there are 1 fields, and the header names 2"),
        ("a;b,c\n1,5;2,3\n", 2, "set the parameter delimiter, such as delimiter=;."),
        ("a\tb,c\n1,5\t2,3\n", 2, "set the parameter delimiter, such as delimiter=tab."),
        ('a,b\n"x\ny",2\n1,2,3\n', 4, "there are 3 fields"),
        ('a,b\n1,2\n"3,4\n5,6\n', 3, "file ends without closing it"),
        ('a,"b\n1,2\n', 1, "file ends without closing it"),
        ("a,b\n1,2\n3,\0\n", 3, "NUL byte"),
        ("a,b\n1,2\n3,4\r5,6\n", 3, "carriage return without a line feed"),
        ("a,b\r1,2\r3,4\r", 1, "carriage return without a line feed"),
        (b"a,b\n1,2\n3,caf\xe9\n", 3, "iconv -f WINDOWS-1252"),
        (b"caf\xe9\n1\n", 1, "not UTF-8"),
    ],
)
def test_a_row_that_cannot_be_carried_is_named_by_line(
    tmp_path: Path, content: str | bytes, line: int, why: str
) -> None:
    refusal = refused(tmp_path, content)

    assert (refusal.details["line"], refusal.retry) == (line, "AfterFix")
    assert f"line {line}: " in refusal.message
    assert why in refusal.message


def test_a_bad_value_is_named_by_line_in_any_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_records, "BLOCK_BYTES", 16)

    refusal = refused(tmp_path, "n,v\n" + "1,a\n" * 50 + "x,a\n" + "1,a\n" * 50, {"n": "int64"})

    assert refusal.details["line"] == 52


def test_slices_have_about_the_bytes_asked_for_and_a_row_at_least(tmp_path: Path) -> None:
    csv(tmp_path, "a,b\n" + "1234,678\n" * 5 + "x" * 50 + ",y\n")

    plan = source(tmp_path).plan("f.csv", None, {"mode": "incremental", "sliceBytes": 20})

    assert [each.bounds["cut"]["rows"] for each in plan.slices] == [2, 2, 1, 1]


def test_a_record_that_never_ends_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    csv(tmp_path, 'a,b\n1,2\n"3,' + "4\n" * 3_000_000)

    with pytest.raises(RowRejected, match=r"line 3: the record that begins here has more than 2000000 bytes. Close"):
        list(source(tmp_path).plan("f.csv", None, {"mode": "full", "limits": {"rowBytes": 2_000_000}}).slices)


def test_a_record_may_be_longer_than_a_block(tmp_path: Path) -> None:
    long = "x\n" * 1_500_000
    csv(tmp_path, f'a,b\n1,"{long}"\n2,y\n')

    assert rows_of(tmp_path, "f.csv") == [{"a": "1", "b": long}, {"a": "2", "b": "y"}]


def test_a_bad_row_late_in_the_file_lets_the_slices_before_it_go(tmp_path: Path) -> None:
    csv(tmp_path, "a,b\n" + "1,2\n" * 4 + "3\n")
    opened, policy = source(tmp_path), {"mode": "incremental", "targetSliceSize": 2}
    done: list[Any] = []

    with pytest.raises(RowRejected, match=r"line 6"):
        for each in opened.plan("f.csv", None, policy).slices:
            done.append([batch.num_rows for batch in opened.read("f.csv", each, policy)])

    assert done == [[2], [2]]


def test_a_bad_row_behind_values_of_several_lines_is_named_by_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files_records, "BLOCK_BYTES", 16)

    refusal = refused(tmp_path, 'a,b\n"1\n2",3\n"4\n5",6\n7,x\n', {"b": "int64"})

    assert refusal.details["line"] == 6
