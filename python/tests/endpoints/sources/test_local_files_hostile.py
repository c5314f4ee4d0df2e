"""Files that were made to do harm, or came to it: refused by name, in bounded memory, never read as something else."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest
from endpoints.sources.local_files_reading import carried, listed, rows_of, source, text

from headrace.endpoints.sources import files_jsonl, files_parts
from headrace.endpoints.sources.local_files_parts import Part
from headrace.endpoints.sources.local_files_position import Passed
from headrace.errors import ConfigInvalid, RowRejected
from headrace.protocol import Json
from headrace.refusals import Sifted


def arrow(path: Path, table: pa.Table) -> bytes:
    with ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)
    return path.read_bytes()


# ---- Arrow and Parquet


def test_an_arrow_file_whose_texts_lie_outside_of_it_is_refused(tmp_path: Path) -> None:
    whole = arrow(tmp_path / "t.arrow", pa.table({"a": ["secret", "b", "c"]}))
    offsets, far = (b"".join(at.to_bytes(4, "little") for at in (0, 6, third, 8)) for third in (7, 1 << 20))
    assert whole.count(offsets) == 1
    (tmp_path / "t.arrow").write_bytes(whole.replace(offsets, far))

    with pytest.raises(RowRejected, match=r"t\.arrow cannot be read from row 1 on \(.*offset"):
        rows_of(tmp_path, "t.arrow")


@pytest.mark.parametrize("name", ["t.arrow", "t.parquet"])
def test_a_column_whose_name_is_no_text_is_told_of(tmp_path: Path, name: str) -> None:
    kind = pa.struct([("nameXX", pa.int64())]) if name == "t.parquet" else pa.int64()
    table = pa.table({"nameXX" if name == "t.arrow" else "a": pa.nulls(1, kind)})
    if name == "t.arrow":
        arrow(tmp_path / name, table)
    else:
        pq.write_table(table, tmp_path / name, store_schema=False)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes().replace(b"nameXX", b"name\xff\xff"))

    with pytest.raises(ConfigInvalid, match="a name in it is not UTF-8"):
        rows_of(tmp_path, name)


# ---- numbers


@pytest.mark.parametrize(
    "number", ["1e-99", "1e-999", "1e-99999999", "1e-99999999999999999999", "1e99999999", "1e8", f"0.{'0' * 60}1"]
)
def test_a_number_far_from_its_decimal_is_refused_by_line(tmp_path: Path, number: str) -> None:
    text(tmp_path / "f.csv", f"a\n1\n{number}\n")

    with pytest.raises(RowRejected, match=r"f\.csv, line 3: the value of column 'a' is no decimal\(10,2\)"):
        rows_of(tmp_path, "f.csv", {"a": "decimal(10,2)"})


@pytest.mark.parametrize(
    ("number", "value"),
    [
        ("-12.5E-1", "-1.25"),
        ("1e2", "100"),
        (f"1.{'0' * 60}", "1"),
        ("0e-99999999", "0"),
        ("99999999.99e0", "99999999.99"),
    ],
)
def test_a_number_written_with_an_exponent_is_read_where_the_decimal_has_its_digits(
    tmp_path: Path, number: str, value: str
) -> None:
    text(tmp_path / "f.csv", f"a,b\n{number},x\n,\n7.5,y\n")

    rows = rows_of(tmp_path, "f.csv", {"a": "decimal(10,2)"})
    assert [row["a"] for row in rows] == [Decimal(value), None, Decimal("7.5")]


def test_an_integer_is_not_guessed_of_hexadecimal_digits(tmp_path: Path) -> None:
    text(tmp_path / "f.csv", "a\n007\n0x10\n")

    with pytest.raises(RowRejected, match=r"line 3: the value of column 'a' is no int64"):
        rows_of(tmp_path, "f.csv", {"a": "int64"})


@pytest.mark.parametrize("exponent", ["9" * 23, "-" + "9" * 23])
def test_a_json_number_whose_exponent_nobody_can_count_is_refused_by_line(tmp_path: Path, exponent: str) -> None:
    text(tmp_path / "f.jsonl", f'{{"a": 1}}\n{{"a": 1e{exponent}}}\n')

    with pytest.raises(RowRejected, match=r"f\.jsonl, line 2: this is no JSON \(a number has an exponent"):
        rows_of(tmp_path, "f.jsonl")


# ---- text that is something else


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("f.jsonl", b'{\n  "a": 1\n}\n', "objects of many lines.*jq -c [.] "),
        ("f.jsonl", b'\xef\xbb\xbf{ \r\n"a": 1}\r\n', "objects of many lines"),
        ("f.csv", b'{"a": 1}\n{"a": 2}\n', "is JSON; set format to jsonl"),
        ("f.csv", b'\xef\xbb\xbf[\n{"a": 1}]', "is JSON; set format to jsonl"),
        ("f.csv", "a,b\n1,2\n".encode("utf-16-le"), "is UTF-16LE; .* iconv -f UTF-16LE"),
        ("f.jsonl", '{"a": 1}\n'.encode("utf-16-be"), "is UTF-16BE; .* iconv -f UTF-16BE"),
    ],
)
def test_text_that_is_something_else_is_called_what_it_is(tmp_path: Path, name: str, content: bytes, what: str) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(ConfigInvalid, match=rf"{name.replace('.', '[.]')} .*{what}") as refusal:
        rows_of(tmp_path, name)
    assert refusal.value.details["field"] == "format"


def test_a_line_that_only_begins_like_something_else_is_read(tmp_path: Path) -> None:
    text(tmp_path / "f.csv", '{a,"{""b"": 1}"\n{,2\n')
    text(tmp_path / "f.jsonl", '{ "a": 1}\n')

    assert rows_of(tmp_path, "f.csv") == [{"{a": "{", '{"b": 1}': "2"}]
    assert rows_of(tmp_path, "f.jsonl") == [{"a": 1}]


@pytest.mark.parametrize("line", ['{"a": "\\ud800"}', '{"a": [1', "{"])
def test_a_line_that_breaks_off_is_said_to(tmp_path: Path, line: str) -> None:
    text(tmp_path / "f.jsonl", f'{{"a": 1}}\n{line}\n')

    with pytest.raises(RowRejected, match=r"line 2: this is no JSON \(the line ends before the object does"):
        rows_of(tmp_path, "f.jsonl")


@pytest.mark.parametrize("quarantine", [None, {"maxRows": 1, "maxRatio": 1}])
def test_json_that_is_nested_too_deep_is_no_value_of_a_csv_column(
    tmp_path: Path, quarantine: dict[str, Json] | None
) -> None:
    text(tmp_path / "f.csv", f"a,b\n[1],x\n{'[' * 100_000}{']' * 100_000},y\n")
    policy: dict[str, Json] = {"mode": "full", "quarantine": quarantine}
    opened = source(tmp_path, {"a": "json"})
    (slice_,) = opened.plan("f.csv", None, policy).slices

    if quarantine is None:
        with pytest.raises(RowRejected, match=r"f\.csv, line 3: the value of column 'a' is no json"):
            list(opened.read("f.csv", slice_, policy))
    else:
        (sifted,) = (each for each in opened.read("f.csv", slice_, policy) if isinstance(each, Sifted))
        assert ([row.column for row in sifted.refused], sifted.rows) == (["a"], 2)
    opened.close()


# ---- very many columns


@pytest.mark.parametrize("name", ["f.csv", "f.jsonl"])
def test_more_columns_than_can_be_held_are_refused_before_they_are(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files_parts, "MOST_COLUMNS", 3)
    many = "a,b,c,d\n1,2,3,4\n" if name == "f.csv" else "".join(f'{{"{key}": 1}}\n' for key in "abcd")
    text(tmp_path / name, many)
    text(tmp_path / f"few-{name}", many.replace(",d", "").replace(",4", "") if name == "f.csv" else many[:-9])

    with pytest.raises(ConfigInvalid, match=rf"{name} has more than 3 columns\. "):
        rows_of(tmp_path, name)
    assert len(rows_of(tmp_path, f"few-{name}")[0]) == 3


@pytest.mark.parametrize("quarantine", [None, {"maxRows": 1}])
def test_rows_of_many_columns_come_in_small_batches_that_lose_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quarantine: dict[str, int] | None
) -> None:
    monkeypatch.setattr(files_jsonl, "_MOST_VALUES", 4)
    text(tmp_path / "f.jsonl", '{"a": 1}\n\n{"b": 2}\n{"a": 3}\n\n{"b": 4}\n{"a": 5}\n\n')
    policy = {"mode": "full", "quarantine": quarantine}
    opened = source(tmp_path)

    (slice_,) = opened.plan("f.jsonl", None, policy).slices
    batches = [getattr(each, "batch", each) for each in opened.read("f.jsonl", slice_, policy)]
    opened.close()
    assert [batch.to_pylist() for batch in batches if batch is not None] == [
        [{"a": 1, "b": None}, {"a": None, "b": 2}],
        [{"a": 3, "b": None}, {"a": None, "b": 4}],
        [{"a": 5, "b": None}],
    ]


# ---- names and many files


def test_a_file_called_like_a_pattern_that_others_match_is_refused(tmp_path: Path) -> None:
    text(tmp_path / "a*.csv", "a\n1\n")
    assert rows_of(tmp_path, "a*.csv") == [{"a": "1"}]
    text(tmp_path / "ab.csv", "a\n2\n")

    assert "a*.csv" in listed(tmp_path)
    with pytest.raises(ConfigInvalid, match="Rename the file, so that its name has no"):
        rows_of(tmp_path, "a*.csv")
    assert rows_of(tmp_path, "ab.csv") == [{"a": "2"}]


def test_each_of_many_files_is_looked_at_once_for_what_is_remembered_of_those_before() -> None:
    looked: list[int] = []

    class Watched(tuple[Part, ...]):
        def __getitem__(self, at: object) -> object:  # type: ignore[override]
            found = super().__getitem__(at)  # type: ignore[index]
            looked.extend([1] * len(found) if isinstance(found, tuple) else ())
            return found

    parts = Watched(Part(name=f"{n:03}", path=(), size=n, changed=100 - n, written=0, inode=n) for n in range(100))
    passed = Passed(parts)
    last = [passed.before(at) for at in range(100)][-1]

    assert len(looked) == 99
    assert (last.parts, last.changed, last.digest) == (99, 100, Passed(tuple(parts)).before(99).digest)


def test_a_checkpoint_behind_many_files_is_gone_on_from(tmp_path: Path) -> None:
    for number in range(20):
        text(tmp_path / f"{number:02}.csv", f"a\n{number}\n")
    rows, checkpoint = carried(source(tmp_path), "*.csv", None, {"mode": "incremental"})
    text(tmp_path / "20.csv", "a\n20\n")

    more, _ = carried(source(tmp_path), "*.csv", json.loads(json.dumps(checkpoint)), {"mode": "incremental"})
    assert ([int(row["a"]) for row in rows], more) == (list(range(20)), [{"a": "20"}])
