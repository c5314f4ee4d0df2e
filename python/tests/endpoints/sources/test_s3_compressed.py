"""Compressed objects: read once each, gone on with in the middle, and never in part when they are damaged."""

from __future__ import annotations

from contextlib import closing

import pytest
from endpoints.sources.compressing import READ, in_members
from endpoints.sources.s3_inbox import FULL, INCREMENTAL, Inbox

from headrace.endpoints.sources import s3_object
from headrace.errors import ConfigInvalid, RowRejected

pytestmark = pytest.mark.s3_server


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> Inbox:
    return Inbox(monkeypatch)


@pytest.mark.parametrize("ending", list(READ))
def test_a_read_that_broke_off_within_a_compressed_object_goes_on_there(inbox: Inbox, ending: str) -> None:
    inbox.write(f"in/a.csv{ending}", in_members(ending, b"id\n" + b"".join(b"%d\n" % n for n in range(9)), 7))
    inbox.write(f"in/b.csv{ending}", READ[ending](b"id\n9\n"))
    unit_id, policy = f"in/*.csv{ending}", {**INCREMENTAL, "targetSliceSize": 4}
    with closing(inbox.source()) as opened:
        first, *_ = opened.plan(unit_id, None, policy).slices

    rest, checkpoint = inbox.read(unit_id, first.to_checkpoint, policy)

    assert rest == [4, 5, 6, 7, 8, 9]
    assert inbox.read(unit_id, checkpoint, policy) == ([], checkpoint)


def test_of_a_damaged_compressed_object_no_row_is_read(inbox: Inbox) -> None:
    whole = READ[".gz"](b"id\n" + b"".join(b"%d\n" % n for n in range(9)))
    inbox.write("in/a.csv.gz", whole[:-8] + bytes(4) + whole[-4:])

    with closing(inbox.source()) as opened, pytest.raises(RowRejected, match=r"a\.csv\.gz cannot be decompressed"):
        next(iter(opened.plan("in/*.csv.gz", None, {**INCREMENTAL, "targetSliceSize": 1}).slices))


def test_a_compressed_object_of_many_slices_is_read_as_it_is(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """With windows much smaller than the object, so that planning and reading both go on in the middle of it."""
    monkeypatch.setattr(s3_object, "AHEAD_BYTES", 50_000)
    numbers = [n * 7919 % 1_000_003 for n in range(300_000)]
    inbox.write("in/a.jsonl.gz", READ[".gz"](b"".join(b'{"id": %d}\n' % n for n in numbers)))

    assert inbox.read("in/a.jsonl.gz", None, {**FULL, "sliceBytes": 400_000}) == (numbers, None)


def test_a_compressed_object_alone_has_nothing_new(inbox: Inbox) -> None:
    inbox.write("in/x.csv.gz", READ[".gz"](b"id\n1\n"))

    assert inbox.read("in/x.csv.gz", policy=FULL) == ([1], None)
    with pytest.raises(ConfigInvalid, match=r"in/\*\.csv\.gz"):
        inbox.read("in/x.csv.gz")
