"""Units that are not listed: any pattern of names; and files that are units once somebody says what they hold."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from endpoints.sources.local_files_reading import listed, rows_of, source, text

from headrace.errors import ConfigInvalid, UnitNotFound


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "base"
    path.mkdir()
    return path


@pytest.mark.parametrize("pattern", ["app-*.log", "app-2026-01-*.log", "*01.log", "*-01-*"])
def test_any_pattern_of_names_is_a_unit_though_it_is_not_listed(base: Path, pattern: str) -> None:
    for name in ("app-2026-01-31.log", "app-2026-01-01.log", "app.log", "other.jsonl"):
        text(base / name, f'{{"from": "{name}"}}\n')
    opened = source(base, format="jsonl")

    assert pattern not in listed(base, format="jsonl")
    found = [row["from"] for row in rows_of(base, pattern, format="jsonl")]
    assert found == sorted(name for name in os.listdir(base) if Path(name).match(pattern))
    assert len(found) >= 1
    assert [row["from"] for row in opened.preview(pattern, 5).rows] == found
    assert [column.name for column in opened.describe(pattern).columns] == ["from"]


def test_a_pattern_that_means_no_file_is_refused_before_anything_is_read(base: Path) -> None:
    text(base / "in/orders.csv")

    for ask in (lambda: source(base).preview("in/app-*.csv", 5), lambda: rows_of(base, "in/app-*.csv")):
        with pytest.raises(UnitNotFound, match=r"No file in .*/base/in is called app-\*\.csv") as refusal:
            ask()
        assert refusal.value.details["unitId"] == "in/app-*.csv"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("app.log", r"1 file that ends in \.log\. Such a name does not tell .*: set format, such as jsonl"),
        ("day/a.TXT", r"1 file that ends in \.txt\. .*such as csv"),
        ("day/a.csv.xz", r"1 file that ends in \.xz\. Files compressed like this are not read: .* unxz -k"),
        ("day/a.log.gz", r"1 file that ends in \.log\.gz\. Such a name does not tell .*: set format, such as jsonl"),
    ],
)
def test_a_folder_whose_files_could_be_read_in_another_way_says_how(base: Path, name: str, said: str) -> None:
    text(base / name)
    text(base / ".git/b.gz")
    text(base / "notes.md")

    with pytest.raises(ConfigInvalid, match=said) as refusal:
        listed(base)
    assert refusal.value.details["field"] == "format"
    text(base / "a.csv")
    assert listed(base) == ["a.csv"]


def test_a_file_whose_name_does_not_tell_what_it_holds_proposes_a_format(base: Path) -> None:
    text(base / "app.log")

    with pytest.raises(ConfigInvalid, match=r"Set the parameter format, such as format=jsonl\."):
        source(base).describe("app.log")
    with pytest.raises(ConfigInvalid, match=r"Set the parameter format, such as format=jsonl\."):
        source(base).describe("*.log")
