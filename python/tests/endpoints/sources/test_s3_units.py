"""What is a unit of a bucket, and what is said to whoever asks for something else."""

from __future__ import annotations

from contextlib import closing

import pytest
from endpoints.sinks.local_files_kit import land_in, rows, target
from endpoints.sources.s3_inbox import FULL, Inbox

from headrace.errors import ConfigInvalid, UnitNotFound

pytestmark = pytest.mark.s3_server


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> Inbox:
    return Inbox(monkeypatch)


def test_the_units_are_objects_patterns_and_what_our_sink_wrote(inbox: Inbox) -> None:
    for key in ("a.csv", "in/x.csv", "in/y.csv", "in/z.jsonl", "in/_hidden.csv", ".git/b.csv", "notes.md", "empty/"):
        inbox.put(key, 1) if not key.endswith("/") else inbox.write("empty/.keep", b"")
    land_in(inbox.sink(), target(), rows(1))

    with closing(inbox.source()) as opened:
        listed = {unit.unit_id: (unit.kind, unit.modes) for unit in opened.list_units()}

    assert listed == {
        "a.csv": ("file", ["full"]),
        "in/x.csv": ("file", ["full"]),
        "in/y.csv": ("file", ["full"]),
        "in/z.jsonl": ("file", ["full"]),
        "in/*.csv": ("files", ["full", "incremental"]),
        "public.orders": ("slices", ["full", "incremental"]),
    }


@pytest.mark.parametrize("unit_id", ["in/x.cvs", "../in/x.csv", "in//x.csv", "_hidden.csv", "in", "", "nothing/*"])
def test_what_is_no_unit_is_refused_and_near_ones_are_named(inbox: Inbox, unit_id: str) -> None:
    inbox.put("in/x.csv", 1)

    with closing(inbox.source()) as opened, pytest.raises(UnitNotFound, match=r"in/x\.csv|has 1 units"):
        opened.describe(unit_id)


def test_a_pattern_that_means_no_object_is_refused_unless_objects_may_come(inbox: Inbox) -> None:
    inbox.put("in/x.csv", 1)

    with closing(inbox.source()) as opened, pytest.raises(UnitNotFound, match=r"called \*\.jsonl"):
        opened.preview("in/*.jsonl", 1)
    with pytest.raises(UnitNotFound, match=r"called \*\.jsonl"):
        inbox.read("in/*.jsonl", policy=FULL)
    assert inbox.read("in/*.jsonl") == ([], None)


def test_an_object_called_like_a_pattern_that_others_match_is_refused(inbox: Inbox) -> None:
    inbox.put("in/a*.csv", 1)
    inbox.put("in/ab.csv", 2)

    with pytest.raises(ConfigInvalid, match=r"in/a\*\.csv is a file, and a pattern that other files match too"):
        inbox.read("in/a*.csv")


def test_a_prefix_whose_objects_could_be_read_in_another_way_says_how(inbox: Inbox) -> None:
    inbox.write("in/x.csv.xz", b"x")
    inbox.write("_in/y.csv.xz", b"x")

    with closing(inbox.source()) as opened, pytest.raises(ConfigInvalid, match=r"1 file that ends in \.xz.*unxz"):
        opened.list_units()


def test_a_type_for_a_column_that_no_object_has_is_refused(inbox: Inbox) -> None:
    inbox.put("in/x.csv", 1)

    with (
        closing(inbox.source(column_types='{"idd": "int32"}')) as opened,
        pytest.raises(ConfigInvalid, match="mean id"),
    ):
        opened.plan("in/x.csv", None, FULL)
