"""A column that ``column_types`` names and nobody has is mistyped, and said to be before a row is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from endpoints.sources.local_files_reading import rows_of, source

from headrace.errors import ConfigInvalid

MISTYPED: Mapping[str, str] = {"idd": "int32"}


def written(base: Path, **files: str) -> Path:
    for name, content in files.items():
        (base / name.replace("_", ".")).write_text(content)
    return base


@pytest.mark.parametrize("below", ["", "a.csv"])
def test_a_type_for_a_column_that_is_nowhere_names_the_column_that_is_meant(tmp_path: Path, below: str) -> None:
    base = written(tmp_path, a_csv="id,name\n1,x\n") / below

    for ask in (lambda: rows_of(base, "a.csv", MISTYPED), lambda: source(base, MISTYPED).preview("a.csv", 1)):
        with pytest.raises(
            ConfigInvalid, match=r"column idd, which a\.csv does not have\. Did you mean id\?"
        ) as refusal:
            ask()
        assert refusal.value.details["field"] == "column_types"


def test_the_columns_there_are_are_named_where_none_is_alike(tmp_path: Path) -> None:
    written(tmp_path, a_csv="id,name\n1,x\n")

    with pytest.raises(ConfigInvalid, match=r"does not have\. It has id, name\."):
        rows_of(tmp_path, "a.csv", {"price": "double", "id": "int32"})


def test_a_type_may_be_for_a_column_of_another_file(tmp_path: Path) -> None:
    written(tmp_path, a_csv="id\n1\n", b_csv="idd\n2\n")

    assert rows_of(tmp_path, "a.csv", MISTYPED) == [{"id": "1"}]
    assert rows_of(tmp_path, "b.csv", MISTYPED) == [{"idd": 2}]


@pytest.mark.parametrize("other", [{"b_jsonl": '{"x": 1}\n'}, {"b_csv": '"id'}], ids=["JSON lines", "unreadable"])
def test_a_type_is_not_refused_for_files_of_which_nobody_knows_the_columns(
    tmp_path: Path, other: Mapping[str, str]
) -> None:
    written(tmp_path, a_csv="id\n1\n", **other)

    assert rows_of(tmp_path, "a.csv", MISTYPED) == [{"id": "1"}]
