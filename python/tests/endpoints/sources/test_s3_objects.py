"""What is special to objects as a source: what is new, what was replaced, and what is left out."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from endpoints.sinks.local_files_kit import described, land_in, rows, target, write
from endpoints.sources.s3_inbox import FULL, INCREMENTAL, UNIT, Inbox

from headrace.endpoints.sources import s3_object, s3_seen
from headrace.endpoints.sources.s3 import S3Source
from headrace.errors import ConfigInvalid, EndpointUnreachable, SourceReplaced
from headrace.protocol import Json

pytestmark = pytest.mark.s3_server


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> Inbox:
    return Inbox(monkeypatch)


@pytest.fixture(params=[256, 1], ids=["known one by one", "known by their sums"])
def _known(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_seen, "MOST_KNOWN", request.param)


def test_an_object_alone_is_read_whole_and_has_nothing_new(inbox: Inbox) -> None:
    inbox.put("in/x.csv", 1, 2)

    assert inbox.read("in/x.csv", policy=FULL) == ([1, 2], None)
    with pytest.raises(ConfigInvalid, match=r"in/\*\.csv") as refusal:
        inbox.read("in/x.csv")
    assert refusal.value.details == {"field": "mode"}


@pytest.mark.usefixtures("_known")
def test_what_came_since_is_read_whatever_its_name(inbox: Inbox) -> None:
    inbox.put("in/m.csv", 1)
    inbox.put("in/n.csv", 2)
    first, checkpoint = inbox.read()
    inbox.put("in/a.csv", 3)
    inbox.put("in/z.csv", 4)

    second, after = inbox.read(checkpoint=checkpoint)

    assert (sorted(first), sorted(second)) == ([1, 2], [3, 4])
    assert inbox.read(checkpoint=after) == ([], after)


def test_what_came_in_the_same_second_as_the_first_that_was_read_is_read(inbox: Inbox) -> None:
    inbox.put("in/m.csv", 1)
    _, checkpoint = inbox.read()
    inbox.put("in/a.csv", 2)
    inbox.hours["in/a.csv"] = inbox.hours["in/m.csv"]

    assert inbox.read(checkpoint=checkpoint)[0] == [2]


def test_hidden_objects_and_those_without_bytes_are_left_out(inbox: Inbox) -> None:
    inbox.put("in/a.csv", 1)
    inbox.put("in/_b.csv", 2)
    inbox.put("in/.c.csv", 3)
    inbox.write("in/d.csv", b"")

    assert inbox.read()[0] == [1]


@pytest.mark.usefixtures("_known")
def test_objects_that_were_read_may_go(inbox: Inbox) -> None:
    for name in "abc":
        inbox.put(f"in/{name}.csv", ord(name))
    _, checkpoint = inbox.read()
    for name in "ab":
        inbox.delete(f"in/{name}.csv")
    inbox.put("in/d.csv", 4)

    assert inbox.read(checkpoint=checkpoint)[0] == [4]


@pytest.mark.usefixtures("_known")
@pytest.mark.parametrize("name", ["a", "b"])
def test_an_object_that_was_replaced_is_refused_unless_rows_are_merged(inbox: Inbox, name: str) -> None:
    inbox.put("in/a.csv", 1)
    inbox.put("in/b.csv", 2)
    _, checkpoint = inbox.read()
    inbox.put(f"in/{name}.csv", 9)

    with pytest.raises(SourceReplaced, match=f"in/{name}.csv"):
        inbox.read(checkpoint=checkpoint)
    merged, after = inbox.read(checkpoint=checkpoint, policy={**INCREMENTAL, "primaryKeys": ["id"]})

    assert merged == [9]
    assert inbox.read(checkpoint=after)[0] == []


@pytest.mark.usefixtures("_known")
def test_an_object_that_was_written_again_as_it_was_is_not_new(inbox: Inbox) -> None:
    inbox.put("in/a.csv", 1)
    inbox.put("in/b.csv", 2)
    _, checkpoint = inbox.read()
    inbox.put("in/a.csv", 1)

    assert inbox.read(checkpoint=checkpoint)[0] == []


def test_an_object_whose_upload_began_before_others_that_were_read_is_read(inbox: Inbox) -> None:
    for name in "acd":
        inbox.put(f"in/{name}.csv", ord(name))
    _, checkpoint = inbox.read()
    inbox.put("in/b.csv", 98)
    inbox.hours["in/b.csv"] = inbox.hours["in/a.csv"]

    assert inbox.read(checkpoint=checkpoint)[0] == [98]


def test_one_that_came_before_all_that_are_known_is_refused_and_not_passed_over(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_seen, "MOST_KNOWN", 1)
    for name in "acd":
        inbox.put(f"in/{name}.csv", ord(name))
    _, checkpoint = inbox.read()
    inbox.put("in/b.csv", 98)
    inbox.hours["in/b.csv"] = inbox.hours["in/a.csv"]

    with pytest.raises(SourceReplaced, match="long before"):
        inbox.read(checkpoint=checkpoint)


def test_a_checkpoint_stays_small_however_many_objects_were_read(inbox: Inbox) -> None:
    for number in range(400):
        inbox.put(f"in/{number}.csv", number)

    ids, checkpoint = inbox.read()

    assert sorted(ids) == list(range(400))
    assert len(json.dumps(checkpoint)) < 8000
    assert inbox.read(checkpoint=checkpoint)[0] == []


def slices_of(opened: S3Source, checkpoint: Json, policy: Mapping[str, Json]) -> Iterator[tuple[list[Any], Json]]:
    for slice_ in opened.plan(UNIT, checkpoint, policy).slices:
        ids = [int(id_) for batch in opened.read(UNIT, slice_, policy) for id_ in batch.column("id").to_pylist()]
        yield ids, json.loads(json.dumps(slice_.to_checkpoint))


@pytest.mark.parametrize("mode", ["full", "incremental"])
def test_a_read_that_broke_off_within_an_object_goes_on_there(inbox: Inbox, mode: str) -> None:
    policy = {"mode": mode, "targetSliceSize": 2}
    inbox.put("in/a.csv", 1, 2, 3)
    inbox.put("in/b.csv", 4)
    with closing(inbox.source()) as opened:
        first, checkpoint = next(slices_of(opened, None, policy))
    inbox.put("in/0.csv", 5)

    rest, _ = inbox.read(checkpoint=checkpoint, policy=policy)

    assert sorted([*first, *rest]) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("harm", ["replaced", "deleted"])
def test_an_object_that_is_no_longer_there_to_be_read_to_its_end_ends_the_run(inbox: Inbox, harm: str) -> None:
    policy = {**INCREMENTAL, "targetSliceSize": 2, "primaryKeys": ["id"]}
    inbox.put("in/a.csv", 1, 2, 3)
    with closing(inbox.source()) as opened:
        _, checkpoint = next(slices_of(opened, None, policy))
    inbox.put("in/a.csv", 7, 8, 9) if harm == "replaced" else inbox.delete("in/a.csv")

    with pytest.raises(SourceReplaced, match=r"a\.csv"):
        inbox.read(checkpoint=checkpoint, policy=policy)


def test_an_object_that_is_replaced_while_it_is_read_is_never_mixed_with_the_other(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_object, "AHEAD_BYTES", 100_000)
    old, new = (pa.table({"id": pa.array(range(start, start + 300_000))}) for start in (0, 1_000_000))
    policy = {**FULL, "targetSliceSize": 2_000_000}
    inbox.write("in/a.parquet", parquet_bytes(old))
    with closing(inbox.source()) as opened:
        (slice_,) = opened.plan("in/a.parquet", None, policy).slices
        batches = opened.read("in/a.parquet", slice_, policy)
        next(batches)
        inbox.write("in/a.parquet", parquet_bytes(new))

        with pytest.raises(SourceReplaced):
            list(batches)


def test_large_objects_of_every_format_are_read_as_they_are(inbox: Inbox) -> None:
    big = pa.table({"id": pa.array(range(300_000), pa.int64())})
    inbox.put("in/a.csv", *range(300_000))
    inbox.write("in/a.parquet", parquet_bytes(big))

    assert inbox.read("in/a.csv", policy=FULL)[0] == list(range(300_000))
    assert inbox.read("in/a.parquet", policy=FULL)[0] == list(range(300_000))


def parquet_bytes(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=10_000)
    return buffer.getvalue()


def test_of_what_our_sink_wrote_only_what_counts_is_read(inbox: Inbox) -> None:
    land_in(inbox.sink(), target(disposition="replace"), rows(1), rows(2))
    newer = target(generation=2, disposition="replace")
    with closing(inbox.sink()) as sink:
        sink.high_water(newer, 2)
        sink.prepare(newer, described(rows()), {})
        write(sink, newer, 0, rows(3), epoch=2)
        before = inbox.read("public.orders", policy=FULL)[0]
        sink.complete(newer, {})

    assert (before, inbox.read("public.orders", policy=FULL)[0]) == ([1, 2], [3])


def test_what_our_sink_is_about_to_write_for_the_first_time_is_not_read_yet(inbox: Inbox) -> None:
    land_in(inbox.sink(), target(disposition="replace"), rows(1), complete=False)

    with pytest.raises(EndpointUnreachable, match="nothing of it is whole"):
        inbox.read("public.orders", policy=FULL)


def test_a_checkpoint_of_what_our_sink_replaced_is_refused(inbox: Inbox) -> None:
    land_in(inbox.sink(), target(disposition="replace"), rows(1))
    _, checkpoint = inbox.read("public.orders")
    land_in(inbox.sink(), target(generation=2, disposition="replace"), rows(2), epoch=2)

    with pytest.raises(SourceReplaced, match="written anew"):
        inbox.read("public.orders", checkpoint)


@pytest.mark.parametrize("checkpoint", [{}, {"version": 2}, 7, {"version": 1, "phase": "follow", "format": "csv"}])
def test_a_checkpoint_of_others_is_refused_and_never_taken_for_none(inbox: Inbox, checkpoint: Json) -> None:
    inbox.put("in/a.csv", 1)

    with pytest.raises(ConfigInvalid, match=r"object\.s3 did not write it"):
        inbox.read(checkpoint=checkpoint)


def test_metadata_names_the_bucket_and_a_unit_that_cannot_be_opened_says_why(inbox: Inbox) -> None:
    inbox.put("a.csv", 1)
    inbox.write("b.parquet", b"no parquet")

    with closing(inbox.source()) as opened:
        records = list(opened.collect_metadata())

    datasets = {
        record.payload["unitId"]: record.payload for record in records if record.entity_type.endswith("dataset")
    }
    assert datasets["a.csv"]["basePath"] == f"s3://headrace/{inbox.prefix}"
    assert "cannot be read as a Parquet file" in datasets["b.parquet"]["problem"]
