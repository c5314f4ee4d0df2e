"""Compressed CSV and JSON lines are what their plain text is: the same rows, refusals and places."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from endpoints.sources.compressing import READ, in_members
from endpoints.sources.local_files_reading import FULL, INCREMENTAL, carried, listed, rows_of, source
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import ConfigInvalid, DataPlaneError, RowRejected
from headrace.protocol import Json
from headrace.staging import Slice

MIB = 1024 * 1024
CSV = b'id,note\n1,"a\nb"\n2,\n3,""\n' + b"".join(b"%d,n%d\n" % (n, n) for n in range(4, 2000))
JSONL = b"".join(b'{"id": %d, "note": "n%d"}\n' % (n, n) for n in range(2000))
every_ending = pytest.mark.parametrize("ending", list(READ))


def write(base: Path, name: str, content: bytes) -> Path:
    path = base / name
    path.write_bytes(content)
    return path


# ---- the same rows


@every_ending
@pytest.mark.parametrize(("name", "content"), [("x.csv", CSV), ("x.jsonl", JSONL)])
@pytest.mark.parametrize("members", [1, 9], ids=["one member", "many members"])
def test_a_compressed_file_has_the_rows_of_the_plain_one(
    tmp_path: Path, ending: str, name: str, content: bytes, members: int
) -> None:
    write(tmp_path, name, content)
    write(tmp_path, name + ending, in_members(ending, content, len(content) // members + 1))

    assert rows_of(tmp_path, name + ending) == rows_of(tmp_path, name)
    assert rows_of(tmp_path / (name + ending), name + ending) == rows_of(tmp_path, name)


@every_ending
@pytest.mark.parametrize(("name", "content"), [("x.csv", CSV), ("x.jsonl", JSONL)])
def test_describe_estimate_and_preview_are_those_of_the_plain_file(
    tmp_path: Path, ending: str, name: str, content: bytes
) -> None:
    write(tmp_path, name, content)
    write(tmp_path, name + ending, READ[ending](content))
    opened = source(tmp_path)

    assert opened.describe(name + ending) == opened.describe(name)
    assert opened.preview(name + ending, 3) == opened.preview(name, 3)
    assert {unit.unit_id: unit.estimated_rows for unit in opened.list_units()} == {
        name: opened.describe(name).estimated_rows,
        name + ending: opened.describe(name).estimated_rows,
    }


def test_the_rows_of_a_long_file_are_estimated_by_its_beginning(tmp_path: Path) -> None:
    content = b"".join(b'{"n": %d}\n' % (n * 7919 % 1_000_003) for n in range(1_500_000))
    write(tmp_path, "x.jsonl.gz", gzip.compress(content, 1))

    assert source(tmp_path).describe("x.jsonl.gz").estimated_rows == pytest.approx(1_500_000, rel=0.1)


def test_a_tab_divides_the_fields_of_a_compressed_tsv(tmp_path: Path) -> None:
    write(tmp_path, "x.tsv.gz", gzip.compress(b"a\tb\n1\t2\n"))

    assert rows_of(tmp_path, "x.tsv.gz") == [{"a": "1", "b": "2"}]


def test_units_of_compressed_files_are_listed_by_both_endings(tmp_path: Path) -> None:
    for name in ("1.csv.gz", "2.csv.gz", "3.csv", "4.csv.zst"):
        write(tmp_path, name, b"")

    assert listed(tmp_path) == ["1.csv.gz", "2.csv.gz", "3.csv", "4.csv.zst", "*.csv.gz"]


def test_a_looser_ending_is_read_with_format(tmp_path: Path) -> None:
    write(tmp_path, "app.log.gz", gzip.compress(b'{"n": 1}\n'))

    assert listed(tmp_path, format="jsonl") == ["app.log.gz"]
    assert rows_of(tmp_path, "app.log.gz", format="jsonl") == [{"n": 1}]
    with pytest.raises(ConfigInvalid, match="format=jsonl"):
        rows_of(tmp_path, "app.log.gz")


@every_ending
@settings(max_examples=40, deadline=None)
@given(
    lines=st.lists(st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=40)),
    size=st.integers(1, 50),
    slice_rows=st.integers(1, 7),
    last=st.booleans(),
)
def test_any_text_in_any_members_and_slices_gives_each_row_once(
    tmp_path_factory: pytest.TempPathFactory, ending: str, lines: list[str], size: int, slice_rows: int, last: bool
) -> None:
    base = tmp_path_factory.mktemp("any")
    objects = [{"n": number, "line": line} for number, line in enumerate(lines)]
    content = "\n".join(json.dumps(each) for each in objects) + ("\n" if last else "")
    write(base, f"x.jsonl{ending}", in_members(ending, content.encode(), size) or READ[ending](b""))

    rows, checkpoint = carried(source(base), f"x.jsonl{ending}", None, {**FULL, "targetSliceSize": slice_rows})

    assert (rows, checkpoint) == (objects, None)


# ---- the same refusals

MALFORMED = {
    "no UTF-8": ("csv", b"a,b\n1,2\n\xff,3\n"),
    "NUL": ("csv", b"a,b\n1,2\n\0,3\n"),
    "an open quote": ("csv", b'a,b\n1,2\n"x,3\n'),
    "a field too many": ("csv", b"a,b\n1,2\n1,2,3\n"),
    "a lone carriage return": ("csv", b"a,b\n1,2\n1\r,2\n"),
    "two columns of a name": ("csv", b"a,a\n1,2\n"),
    "no header": ("csv", b""),
    "UTF-16": ("csv", "a,b\n1,2\n".encode("utf-16")),
    "Excel's line": ("csv", b"sep=;\na;b\n"),
    "another format": ("csv", b"PAR1xxxxxxxx"),
    "a value that is none of the type": ("csv", b"a,typed\n1,2\n1,x\n"),
    "no JSON": ("jsonl", b'{"a": 1}\n{"a": \n'),
    "no object": ("jsonl", b'{"a": 1}\n[1]\n'),
    "a column that changes its kind": ("jsonl", b'{"a": 1}\n{"a": "x"}\n'),
}


@every_ending
@pytest.mark.parametrize("kind", list(MALFORMED))
def test_what_is_refused_in_a_plain_file_is_refused_alike_in_a_compressed_one(
    tmp_path: Path, ending: str, kind: str
) -> None:
    format_, content = MALFORMED[kind]
    write(tmp_path, f"x.{format_}", content)
    write(tmp_path, f"x.{format_}{ending}", READ[ending](content))
    refusals: list[DataPlaneError] = []
    for unit_id in (f"x.{format_}", f"x.{format_}{ending}"):
        with pytest.raises(DataPlaneError) as refusal:
            carried(source(tmp_path, {"typed": "int64"}), unit_id)
        refusals.append(refusal.value)

    plain, packed = refusals
    assert type(packed) is type(plain)
    assert packed.message.replace(f"x.{format_}{ending}", f"x.{format_}") == plain.message
    assert {**packed.details, "path": ""} == {**plain.details, "path": ""}


@every_ending
def test_a_record_that_decompresses_beyond_the_limit_is_refused_before_it_is_whole(tmp_path: Path, ending: str) -> None:
    """64 MiB in a few KiB; the checksum behind it is never reached."""
    bomb = READ[ending](b"a\n1\n" + b"x" * (64 * MIB) + b"\n")
    file = write(tmp_path, f"x.csv{ending}", bomb[:-16])

    with pytest.raises(RowRejected, match=r"line 3: the record that begins here has more than 1048576 bytes"):
        carried(source(tmp_path), file.name, None, {**FULL, "limits": {"rowBytes": MIB}})


# ---- damage


@every_ending
@pytest.mark.parametrize("name", ["x.csv", "x.jsonl"])
def test_of_a_file_that_ends_too_early_no_row_is_read_wherever_it_ends(tmp_path: Path, ending: str, name: str) -> None:
    whole = READ[ending](CSV if name == "x.csv" else JSONL)
    for length in [*range(4, 60), *range(60, len(whole), 199), *range(len(whole) - 12, len(whole))]:
        write(tmp_path, name + ending, whole[:length])
        opened = source(tmp_path)

        with pytest.raises(
            RowRejected, match=f"{name}{ending} cannot be decompressed .*again when it is whole"
        ) as told:
            first_slice(opened, name + ending)

        assert told.value.details == {
            "path": str(tmp_path / (name + ending)),
            "compression": {".gz": "gzip", ".zst": "zstd"}[ending],
        }


@every_ending
@pytest.mark.parametrize("mode", [FULL, INCREMENTAL], ids=["full", "incremental"])
@pytest.mark.parametrize("harmed", [slice(0, -3), slice(0, -1)])
def test_of_a_long_file_no_row_is_read_until_its_end_is_known(
    tmp_path: Path, ending: str, mode: Mapping[str, Json], harmed: slice
) -> None:
    write(tmp_path, f"x.jsonl{ending}", READ[ending](JSONL * 300)[harmed])

    with pytest.raises(RowRejected, match="again when it is whole"):
        first_slice(source(tmp_path), f"x*.jsonl{ending}", mode)


def test_of_a_file_with_a_flipped_bit_no_row_is_read_wherever_it_is(tmp_path: Path) -> None:
    whole = gzip.compress(CSV)
    for place in range(12, len(whole), 97):
        harmed = bytearray(whole)
        harmed[place] ^= 0x10
        write(tmp_path, "x.csv.gz", bytes(harmed))

        with pytest.raises(RowRejected, match="cannot be decompressed with gzip"):
            first_slice(source(tmp_path), "x.csv.gz")


def test_a_file_that_goes_on_after_its_archive_with_something_else_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "x.csv.gz", gzip.compress(CSV) + b"more rows\n")

    with pytest.raises(RowRejected, match="cannot be decompressed with gzip"):
        first_slice(source(tmp_path), "x.csv.gz")


@every_ending
@pytest.mark.parametrize("content", [b"n\n1\n", b"", b"\x1f", b"PK\x03\x04"], ids=["text", "nothing", "a byte", "zip"])
def test_a_file_that_is_not_compressed_as_its_name_says_is_refused(tmp_path: Path, ending: str, content: bytes) -> None:
    write(tmp_path, f"x.csv{ending}", content)

    with pytest.raises(ConfigInvalid, match=r"is not compressed with .* as its name says"):
        carried(source(tmp_path), f"x.csv{ending}")


def test_a_window_too_large_for_the_memory_is_refused_with_the_option_that_made_it(tmp_path: Path) -> None:
    """A header that asks for 2 GiB, as ``zstd --ultra --long=31`` writes."""
    write(tmp_path, "x.csv.zst", b"\x28\xb5\x2f\xfd\x00\xa8" + b"\x21\x00\x00" + b"n\n1\n")

    with pytest.raises(RowRejected, match="without --long"):
        carried(source(tmp_path), "x.csv.zst")


def test_a_read_with_a_limit_does_not_wait_for_the_end(tmp_path: Path) -> None:
    write(tmp_path, "x.csv.gz", gzip.compress(CSV * 300)[:-8])

    assert len(carried(source(tmp_path), "x.csv.gz", None, {**FULL, "limit": 5})[0]) == 5
    assert len(source(tmp_path).preview("x.csv.gz", 5).rows) == 5


def first_slice(opened: Any, unit_id: str, mode: Mapping[str, Json] = FULL) -> Slice:
    return next(iter(opened.plan(unit_id, None, {**mode, "targetSliceSize": 10}).slices))


# ---- places


@every_ending
@pytest.mark.parametrize(("name", "content"), [("x.csv", CSV), ("x.jsonl", JSONL)])
def test_a_read_that_broke_off_goes_on_behind_each_slice(
    tmp_path: Path, ending: str, name: str, content: bytes
) -> None:
    write(tmp_path, name + ending, in_members(ending, content, 5000))
    policy = {**FULL, "targetSliceSize": 311}
    whole = rows_of(tmp_path, name + ending)
    slices = list(source(tmp_path).plan(name + ending, None, policy).slices)

    read = 0
    for slice_ in slices[:-1]:
        read += 311
        assert carried(source(tmp_path), name + ending, slice_.to_checkpoint, policy)[0] == whole[read:]
    assert len(slices) == 7
