"""What JSON lines say is what is read: no number loses a digit, no text becomes a date, no key is left out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from endpoints.sources.local_files_reading import carried, new_since, rows_of, source
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.endpoints.sources import files_records
from headrace.errors import ConfigInvalid, RowRejected
from headrace.refusals import Sifted
from headrace.rowtypes import is_json


def lines(base: Path, *objects: Any, name: str = "f.jsonl") -> Path:
    """Write each object as a line; text goes there as it is."""
    path = base / name
    path.write_text("".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in objects))
    return path


def refused(base: Path, types: Mapping[str, str] | None = None, **policy: Any) -> RowRejected:
    with pytest.raises(RowRejected) as refusal:
        carried(source(base, types), "f.jsonl", None, {"mode": "full", **policy})
    assert str(base / "f.jsonl") in refusal.value.message
    return refusal.value


def carried_whole(base: Path, types: Mapping[str, str], policy: Mapping[str, Any]) -> list[Any]:
    """Every row that is read; one that is set aside fails."""
    rows: list[Any] = []
    with closing(source(base, types)) as opened:
        for slice_ in opened.plan("f.jsonl", None, policy).slices:
            for part in opened.read("f.jsonl", slice_, policy):
                assert not isinstance(part, Sifted) or not part.refused
                batch = part.batch if isinstance(part, Sifted) else part
                rows += [] if batch is None else batch.to_pylist()
    return rows


# ---- values


def test_each_value_is_read_as_the_json_value_it_is(tmp_path: Path) -> None:
    row = {"t": "2024-01-02 00:00:00", "zip": "007", "i": 2**63 - 1, "f": 0.1, "b": False, "n": None, "u": "\u0000é😀"}
    lines(tmp_path, row, {**row, "n": 1})

    assert rows_of(tmp_path, "f.jsonl") == [row, {**row, "n": 1}]


def test_nested_values_are_json_text_with_every_digit(tmp_path: Path) -> None:
    lines(tmp_path, '{"o": {"b": [1, 1.10, 12345678901234567890.123456789], "a": "é"}}', {"o": ["x", None]})

    opened = source(tmp_path)
    (field,) = opened.describe("f.jsonl").arrow
    assert is_json(field)
    assert rows_of(tmp_path, "f.jsonl") == [
        {"o": '{"b":[1,1.1,12345678901234567890.123456789],"a":"é"}'}, {"o": '["x",null]'},
    ]  # fmt: skip


def test_whole_numbers_among_fractions_are_doubles(tmp_path: Path) -> None:
    lines(tmp_path, {"price": 5}, {"price": 5.25}, {"price": None})

    assert rows_of(tmp_path, "f.jsonl") == [{"price": 5.0}, {"price": 5.25}, {"price": None}]


def test_a_key_that_comes_late_is_a_column_and_an_absent_one_is_null(tmp_path: Path) -> None:
    lines(tmp_path, *({"a": n} for n in range(5)), {"b": "x"})

    assert rows_of(tmp_path, "f.jsonl")[-2:] == [{"a": 4, "b": None}, {"a": None, "b": "x"}]


def test_a_key_that_is_never_anything_but_null_makes_no_column_unless_all_are_such(tmp_path: Path) -> None:
    lines(tmp_path, {"a": 1, "b": None})
    lines(tmp_path, {"a": None}, {"a": None}, name="nulls.jsonl")

    assert rows_of(tmp_path, "f.jsonl") == [{"a": 1}]
    assert rows_of(tmp_path, "nulls.jsonl") == [{"a": None}, {"a": None}]


def test_a_named_type_is_read_from_the_digits_that_stand_there(tmp_path: Path) -> None:
    lines(tmp_path, '{"p": 0.10, "w": 123456789012345678901234567890, "s": 1.50, "d": "2024-01-02", "j": "x"}')
    types = {"p": "decimal(12,2)", "w": "decimal(38,0)", "s": "string", "d": "date", "j": "json"}

    (row,) = rows_of(tmp_path, "f.jsonl", types)

    assert (row["p"], row["w"], row["s"]) == (Decimal("0.10"), Decimal("123456789012345678901234567890"), "1.5")
    assert (row["d"].isoformat(), row["j"]) == ("2024-01-02", '"x"')


VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.dictionaries(st.sampled_from("abc"), VALUE, min_size=1), min_size=1, max_size=6),
    block=st.integers(8, 60),
)
def test_as_json_every_value_is_what_was_written(
    rows: list[dict[str, Any]], block: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = tmp_path_factory.mktemp("jsonl")
    lines(base, *rows)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(files_records, "BLOCK_BYTES", block)
        policy = {"mode": "full", "targetSliceSize": 2}
        found, _ = carried(source(base, dict.fromkeys("abc", "json")), "f.jsonl", None, policy)

    loaded = [{key: None if text is None else json.loads(text) for key, text in row.items()} for row in found]
    assert [{key: row.get(key) for key in "abc"} for row in loaded] == [
        {key: row.get(key) for key in "abc"} for row in rows
    ]


# ---- values that no type holds together


@pytest.mark.parametrize(
    ("first", "second", "advice"),
    [
        ('"x"', "1", "string"), ("true", "1", "string"), ("1", '"x"', "string"), ("1", "[1]", "json"),
        ('{"a": 1}', '"x"', "json"), ("1", "9223372036854775808", "decimal(38,0)"),
        ("0.5", "0.12345678901234567890", "string"), ("0.5", "1e400", "string"), ("0.5", "9007199254740993", "string"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_go_with_the_others_is_refused_with_a_type_that_holds_both(
    tmp_path: Path, first: str, second: str, advice: str
) -> None:
    lines(tmp_path, f'{{"v": {first}}}', "", f'{{"v": {second}}}')

    refusal = refused(tmp_path)

    assert (refusal.details["line"], refusal.details["column"]) == (3, "v")
    assert f'column_types, such as {{"v":"{advice}"}}' in refusal.message
    assert len(rows_of(tmp_path, "f.jsonl", {"v": advice})) == 2


@pytest.mark.parametrize(
    ("before", "after", "advice"), [("1", "2.5", "double"), ('"x"', "1", "string"), ("1", '"x"', "string")]
)
def test_a_column_keeps_the_type_it_was_delivered_with(tmp_path: Path, before: str, after: str, advice: str) -> None:
    lines(tmp_path, f'{{"v": {before}}}', f'{{"v": {before}}}', f'{{"v": {after}}}')

    refusal = refused(tmp_path, targetSliceSize=2)

    assert (refusal.details["line"], refusal.details["column"]) == (3, "v")
    assert f'{{"v":"{advice}"}}' in refusal.message
    assert len(rows_of(tmp_path, "f.jsonl", {"v": advice})) == 3


def test_what_was_learned_of_a_column_is_known_to_the_next_run(tmp_path: Path) -> None:
    path = lines(tmp_path, {"price": 2.5, "note": "x"})
    _, checkpoint = new_since(tmp_path, "f.jsonl", None)
    with path.open("a") as file:
        file.write('{"price": 3, "note": null}\n')

    rows, _ = new_since(tmp_path, "f.jsonl", checkpoint)

    assert [type(row["price"]) for row in rows] == [float]
    assert rows == [{"price": 3.0, "note": None}]


def test_a_value_that_is_none_of_its_named_type_is_refused_by_line(tmp_path: Path) -> None:
    lines(tmp_path, {"v": 1}, {"v": "x"})

    refusal = refused(tmp_path, {"v": "int64"})

    assert (refusal.details["line"], refusal.details["column"]) == (2, "v")
    assert "no int64" in refusal.message


# ---- lines that are no objects


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"a": 1', "no JSON"), ("{'a': 1}", "no JSON"), ('{"a": NaN}', "no JSON"), ('{"a": 1} x', "no JSON"),
        ('{"a": 1}{"a": 2}', "no JSON"), ("[1]", "no object"), ('"x"', "no object"), ('{"a": "\ud800"}', "UTF-8"),
        ('{"a": ' + "[" * 5000 + "]" * 5000 + "}", "no JSON"), ('{"a": "x\0"}', "NUL"),
    ],
)  # fmt: skip
def test_a_line_that_is_no_object_is_named_by_its_number(tmp_path: Path, line: str, why: str) -> None:
    content = '\ufeff{"a": 1}\r\n\n  \n' + line + '\n{"a": 2}\n'
    (tmp_path / "f.jsonl").write_bytes(content.encode("utf-8", "surrogatepass"))

    refusal = refused(tmp_path)

    assert (refusal.details["line"], why in refusal.message) == (4, True), refusal.message


@pytest.mark.parametrize(
    "content", ['[{"a": 1},\n{"a": 2}]', '\ufeff[\n  {\n    "a": 1\n  }\n]\n', '[{"a": 1}, {"a": 2}]']
)
@pytest.mark.parametrize("policy", [{}, {"mode": "incremental"}, {"quarantine": {"maxRows": 3, "maxRatio": 1}}])
def test_a_json_array_is_told_from_json_lines_and_how_it_becomes_them(
    tmp_path: Path, content: str, policy: dict[str, Any]
) -> None:
    (tmp_path / "f.jsonl").write_text(content)

    with pytest.raises(ConfigInvalid, match=r"f\.jsonl is a JSON array.*jq -c '\.\[\]'"):
        carried(source(tmp_path), "f.jsonl", None, {"mode": "full", **policy})


def test_an_object_over_several_lines_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    lines(tmp_path, {"a": 1}, '{"a":', "2}", {"a": 3})

    for rows in (1, 2, 100):
        assert refused(tmp_path, targetSliceSize=rows).details["line"] == 2


def test_blank_lines_are_nothing_however_slices_are_cut(tmp_path: Path) -> None:
    lines(tmp_path, {"a": 1}, "", "  ", "\t", " \r", {"a": 2}, "   ")

    for rows in (1, 2, 100):
        found, _ = carried(source(tmp_path), "f.jsonl", None, {"mode": "full", "targetSliceSize": rows})
        assert found == [{"a": 1}, {"a": 2}]


def test_an_empty_object_is_a_row_of_nulls_among_others_and_refused_alone(tmp_path: Path) -> None:
    lines(tmp_path, {"a": 1}, {})
    assert rows_of(tmp_path, "f.jsonl") == [{"a": 1}, {"a": None}]

    lines(tmp_path, {}, {})
    assert refused(tmp_path).details["line"] == 1


def test_a_file_without_lines_is_a_unit_without_rows(tmp_path: Path) -> None:
    lines(tmp_path)

    opened = source(tmp_path)
    assert (opened.describe("f.jsonl").columns, opened.describe("f.jsonl").estimated_rows) == ((), 0)
    assert rows_of(tmp_path, "f.jsonl") == []


def test_chosen_columns_are_those_that_show_or_are_named_in_column_types(tmp_path: Path) -> None:
    lines(tmp_path, {"a": 1, "b": 2}, {"a": 3, "c": 4})

    found, _ = carried(source(tmp_path, {"late": "int64"}), "f.jsonl", None, {"mode": "full", "columns": ["c", "late"]})
    assert found == [{"c": None, "late": None}, {"c": 4, "late": None}]
    with pytest.raises(ConfigInvalid, match=r"no column aa. Did you mean a?") as refusal:
        carried(source(tmp_path), "f.jsonl", None, {"mode": "full", "columns": ["aa"]})
    assert refusal.value.details["field"] == "columns"


@pytest.mark.parametrize("bad", [1, 500], ids=["once", "more often than what is shown forgives"])
@pytest.mark.parametrize("others", [{}, {"quarantine": {"maxRows": 3, "maxRatio": 1}}], ids=["", "set aside"])
def test_a_column_that_is_left_out_may_hold_anything(tmp_path: Path, bad: int, others: dict[str, Any]) -> None:
    lines(
        tmp_path, *({"a": n, "b": n, "c": n} for n in range(500)), *({"a": n, "b": "x", "c": "y"} for n in range(bad))
    )
    policy = {"mode": "full", "targetSliceSize": 100, "columns": ["a"], **others}

    found = carried_whole(tmp_path, {"c": "int64"}, policy)

    assert found == [{"a": n} for n in (*range(500), *range(bad))]
    assert refused(tmp_path, columns=["a", "b"]).details["column"] == "b"
    assert refused(tmp_path, {"c": "int64"}, columns=["a", "c"]).details["line"] == 501


def test_a_column_that_was_left_out_is_judged_once_it_is_read(tmp_path: Path) -> None:
    path = lines(tmp_path, {"a": 1, "b": 1}, {"a": 2, "b": "x"})
    _, checkpoint = new_since(tmp_path, "f.jsonl", None, columns=["a"])
    with path.open("a") as file:
        file.write('{"a": 3, "b": "y"}\n')

    rows, checkpoint = new_since(tmp_path, "f.jsonl", checkpoint)

    assert rows == [{"a": 3, "b": "y"}]
    with path.open("a") as file:
        file.write('{"a": 4, "b": 5}\n')
    with pytest.raises(RowRejected) as refusal:
        new_since(tmp_path, "f.jsonl", checkpoint)
    assert (refusal.value.details["line"], refusal.value.details["column"]) == (4, "b")
