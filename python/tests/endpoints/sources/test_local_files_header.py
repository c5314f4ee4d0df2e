"""What the first line of a CSV file tells: what divides fields, how columns are called, or that it is a row."""

from __future__ import annotations

from pathlib import Path

import pytest
from endpoints.sources.local_files_reading import rows_of, source

from headrace.errors import ConfigInvalid, EndpointUnreachable, RowRejected


def csv(base: Path, content: str | bytes, name: str = "f.csv") -> Path:
    path = base / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# ---- what divides fields


@pytest.mark.parametrize(
    ("name", "parameters", "content"),
    [
        ("f.tsv", {}, "a\tb\n1\t2\n"),
        ("f.csv", {"delimiter": ";"}, "a;b\n1;2\n"),
        ("f.csv", {"delimiter": "tab"}, "a\tb\n1\t2\n"),
        ("f.csv", {"delimiter": "#"}, "a#b\n1#2\n"),
    ],
)
def test_the_delimiter_is_the_parameter_or_what_the_ending_says(
    tmp_path: Path, name: str, parameters: dict[str, str], content: str
) -> None:
    csv(tmp_path, content, name)

    assert rows_of(tmp_path, name, **parameters) == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize("mark", [";", "\t", "|"])
@pytest.mark.parametrize("before", ["", "\ufeff", "\n\r\n"])
def test_where_nobody_says_the_delimiter_the_first_line_does(tmp_path: Path, mark: str, before: str) -> None:
    csv(tmp_path, f'{before}"a,1";b\r\n1,5;"2;\n3"\r\n'.replace(";", mark))

    assert rows_of(tmp_path, "f.csv") == [{"a,1": "1,5", "b": f"2{mark}\n3"}]


@pytest.mark.parametrize(
    ("content", "row"),
    [
        ("a;b,c\n1;2,3\n", {"a;b": "1;2", "c": "3"}),
        ("a|b;c|d\n1|2;3|4\n", {"a": "1", "b;c": "2;3", "d": "4"}),
        ("a b\n1;2\n", {"a b": "1;2"}),
        ('"a;b"\n1;2\n', {"a;b": "1;2"}),
        ("a;b", None),
    ],
)
def test_a_comma_comes_first_then_what_is_there_most_often_and_what_is_quoted_divides_nothing(
    tmp_path: Path, content: str, row: dict[str, str] | None
) -> None:
    csv(tmp_path, content)

    assert rows_of(tmp_path, "f.csv") == ([] if row is None else [row])


# ---- the names of columns


@pytest.mark.parametrize("content", ["a,b\n", "a,b", "\ufeffa,b\r\n", "\n\na,b\n"])
def test_a_header_without_rows_is_columns_and_no_slice(tmp_path: Path, content: str) -> None:
    csv(tmp_path, content)

    opened = source(tmp_path)
    schema = opened.describe("f.csv")
    assert ([column.name for column in schema.columns], schema.estimated_rows) == (["a", "b"], 0)
    assert list(opened.plan("f.csv", None, {"mode": "full"}).slices) == []


def test_a_byte_order_mark_is_no_part_of_the_first_name_and_one_of_a_value_stays(tmp_path: Path) -> None:
    csv(tmp_path, "\ufeffid,name\n\ufeff1,\ufeffx\n")

    assert rows_of(tmp_path, "f.csv") == [{"id": "\ufeff1", "name": "\ufeffx"}]


def test_a_column_without_a_name_is_called_by_its_place(tmp_path: Path) -> None:
    csv(tmp_path, ",name\n0,x\n")

    assert rows_of(tmp_path, "f.csv") == [{"column_1": "0", "name": "x"}]


@pytest.mark.parametrize(
    ("content", "line", "mark"),
    [("sep=;\na;b\n1;2\n", 1, ";"), ("\ufeffSEP=,\r\na,b\r\n1,2\r\n", 1, ","), ('\n"sep=\t"\na\tb\n', 2, "tab")],
)
def test_the_line_that_tells_excel_what_divides_fields_is_refused_with_the_parameter_that_tells_us(
    tmp_path: Path, content: str, line: int, mark: str
) -> None:
    csv(tmp_path, content)

    with pytest.raises(ConfigInvalid, match=rf"line {line}: .*Remove the line, and set .*, such as delimiter={mark}\."):
        rows_of(tmp_path, "f.csv")


def test_a_column_may_be_called_as_that_line_begins(tmp_path: Path) -> None:
    csv(tmp_path, "sep=x,b\n1,2\n")

    assert rows_of(tmp_path, "f.csv") == [{"sep=x": "1", "b": "2"}]


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "is empty"), (b"\n\n", "is empty"), (b"a,b,a\n1,2,3\n", "Two columns .* are called 'a'"),
     (b"column_2,\n1,2\n", "are called 'column_2'"), ("a,b\n".encode("utf-16"), "iconv -f UTF-16"),
     (b"\x1f\x8b\x08\x00", r"compressed with gzip, .* end in \.gz"), (b"PK\x03\x04", "spreadsheet"),
     (b"PAR1....PAR1", "set format to parquet")],
)  # fmt: skip
def test_what_is_no_csv_file_with_a_header_is_refused_with_what_to_do(tmp_path: Path, content: bytes, why: str) -> None:
    csv(tmp_path, content)

    for ask in (lambda: source(tmp_path).describe("f.csv"), lambda: rows_of(tmp_path, "f.csv")):
        with pytest.raises(ConfigInvalid, match=why):
            ask()


# ---- a first line that is a row


def test_without_a_header_the_first_line_is_a_row_and_columns_are_called_by_their_places(tmp_path: Path) -> None:
    csv(tmp_path, '\ufeff1;a;\n2;"b;";1\n')

    rows = rows_of(tmp_path, "f.csv", {"column_1": "int64"}, header="false")

    assert rows == [
        {"column_1": 1, "column_2": "a", "column_3": None},
        {"column_1": 2, "column_2": "b;", "column_3": "1"},
    ]


def test_values_that_come_twice_in_such_a_line_are_no_names(tmp_path: Path) -> None:
    csv(tmp_path, "7,7\n")
    with pytest.raises(ConfigInvalid, match="set the parameter header to false where the first line is a row"):
        rows_of(tmp_path, "f.csv")

    assert rows_of(tmp_path, "f.csv", header="false") == [{"column_1": "7", "column_2": "7"}]


def test_files_of_a_folder_without_headers_are_read_by_the_places_of_their_columns(tmp_path: Path) -> None:
    csv(tmp_path, "1,a\n", "1.csv")
    csv(tmp_path, "2,b\n3,c\n", "2.csv")

    rows = rows_of(tmp_path, "*.csv", header="false")

    assert [(row["column_1"], row["column_2"]) for row in rows] == [("1", "a"), ("2", "b"), ("3", "c")]


@pytest.mark.parametrize(("content", "why"), [("1,2\n3\n", "there are 1 fields, and the first row has 2")])
def test_a_row_of_other_fields_than_the_first_is_refused_by_line(tmp_path: Path, content: str, why: str) -> None:
    csv(tmp_path, content)

    with pytest.raises(RowRejected, match=f"line 2: {why}"):
        rows_of(tmp_path, "f.csv", header="false")


def test_a_file_without_a_line_is_refused_without_a_header_too(tmp_path: Path) -> None:
    csv(tmp_path, "")

    with pytest.raises(ConfigInvalid, match="is empty, and its first row tells"):
        rows_of(tmp_path, "f.csv", header="false")


def test_a_first_row_that_is_being_written_waits_for_its_line_feed(tmp_path: Path) -> None:
    csv(tmp_path, "1,2")
    opened = source(tmp_path, header="false")

    with pytest.raises(EndpointUnreachable, match=r"The first line of .* has no line feed yet"):
        list(opened.plan("f.csv", None, {"mode": "incremental"}).slices)


def test_another_word_for_it_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="header is 'no'") as refused:
        source(tmp_path, header="no")

    assert refused.value.details["field"] == "header"
