"""Which units a folder has, what they are called, and that nothing outside the folder is ever one."""

from __future__ import annotations

import inspect
import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest
from endpoints.sinks.local_files_kit import land, rows, target
from endpoints.sources.local_files_reading import listed, rows_of, source, text

from headrace.errors import ConfigInvalid, UnitNotFound

_SOURCES = Path(__file__).parents[3] / "src"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "base"
    path.mkdir()
    return path


# ---- what is listed


def test_files_are_units_by_path_and_folders_that_we_wrote_are_one(base: Path) -> None:
    for name in ("b.csv", "day/1.jsonl", "day/deep/x.TSV", "notes.md", "a.txt"):
        text(base / name)
    pq.write_table(pa.table({"a": [1]}), base / "p.parquet")
    land(base, target(), rows(1), rows(2))

    found = {unit.unit_id: (unit.kind, unit.modes) for unit in source(base).list_units()}

    both = ["full", "incremental"]
    assert found == {
        "b.csv": ("file", both), "p.parquet": ("file", ["full"]), "day/1.jsonl": ("file", both),
        "day/deep/x.TSV": ("file", both), "public.orders": ("slices", both),
    }  # fmt: skip


def test_several_files_of_one_ending_are_also_one_unit(base: Path) -> None:
    for name in ("in/a.csv", "in/b.csv", "in/c.jsonl", "out/d.csv", "x.CSV", "y.CSV"):
        text(base / name)

    inner = ["in/a.csv", "in/b.csv", "in/c.jsonl", "in/*.csv", "out/d.csv"]
    assert listed(base) == ["x.CSV", "y.CSV", "*.CSV", *inner]
    assert rows_of(base, "*.CSV") == [{"a": "1"}, {"a": "1"}]


def test_what_is_hidden_or_ours_is_not_listed(base: Path) -> None:
    for name in (".a.csv", "_b.csv", ".git/c.csv", "_tmp/d.csv", "e.csv.tmp"):
        text(base / name)

    assert listed(base) == []


def test_a_chosen_format_lists_its_files_and_those_of_looser_endings(base: Path) -> None:
    for name in ("a.csv", "b.txt", "c.jsonl", "d.parquet", "e.md"):
        text(base / name)

    assert listed(base, format="csv") == ["a.csv", "b.txt"]
    assert rows_of(base, "e.md", format="csv") == [{"a": "1"}]


def test_a_file_as_base_is_the_only_unit(base: Path) -> None:
    text(base / "other.csv")
    path = text(base / "orders.dat")

    assert listed(path, format="csv") == ["orders.dat"]
    assert rows_of(path, "orders.dat", format="csv") == [{"a": "1"}]
    with pytest.raises(UnitNotFound, match=r"is one file. Did you mean orders.dat"):
        source(path, format="csv").describe("orders.csv")
    with pytest.raises(ConfigInvalid, match=r"does not tell what the file holds. Set the parameter format") as refusal:
        listed(path)
    assert refusal.value.details["field"] == "format"


@pytest.mark.parametrize("name", ["orders.xlsx", "Orders.XLS", "orders.ods"])
def test_a_workbook_is_said_to_be_none_that_can_be_read(base: Path, name: str) -> None:
    path = text(base / name)

    with pytest.raises(ConfigInvalid, match=f"'{name}' is a workbook, and none can be read. Export the sheet as CSV"):
        listed(path)
    with pytest.raises(ConfigInvalid, match="is a workbook"):
        source(base).describe(name)


def test_a_folder_that_we_wrote_as_base_is_the_only_unit(base: Path) -> None:
    land(base, target(), rows(1, 2))

    assert listed(base / "public.orders") == ["public.orders"]
    assert [row["id"] for row in rows_of(base / "public.orders", "public.orders")] == [1, 2]


def test_the_number_of_rows_is_known_cheaply_of_each_kind(base: Path) -> None:
    text(base / "a.csv", "a\n" + "1\n" * 100_000)
    text(base / "b.jsonl", '{"a": 1}\n{"a": 2}')
    table = pa.table({"a": list(range(10))})
    pq.write_table(table, base / "c.parquet")
    with ipc.new_file(str(base / "d.arrow"), table.schema) as writer:
        writer.write_table(table, max_chunksize=5)
    text(base / "e.pq", "no Parquet")
    land(base, target(), rows(1, 2), rows(3))

    found = {unit.unit_id: unit.estimated_rows for unit in source(base).list_units()}

    assert found == {
        "a.csv": 100_000, "b.jsonl": 2, "c.parquet": 10, "d.arrow": 10, "e.pq": None, "public.orders": 3,
    }  # fmt: skip


def test_the_knowledge_base_learns_what_is_wrong_with_a_file_and_of_the_others(base: Path) -> None:
    text(base / "a.csv", "id,name\n1,x\n")
    text(base / "b.parquet", "no Parquet")

    datasets = [each for each in source(base).collect_metadata() if each.entity_type == "catalog.dataset"]

    assert [each.payload["unitId"] for each in datasets] == ["a.csv", "b.parquet"]
    assert [column["name"] for column in datasets[0].payload["columns"]] == ["id", "name"]
    assert "problem" not in datasets[0].payload
    assert "cannot be read as a Parquet file" in datasets[1].payload["problem"]


# ---- what is no unit


def test_a_base_that_is_not_there_is_refused_by_field(base: Path) -> None:
    for ask in (lambda: listed(base / "no"), lambda: rows_of(base / "no", "a.csv")):
        with pytest.raises(ConfigInvalid, match=r"No such file or directory. Correct base_path") as refusal:
            ask()
        assert refusal.value.details["field"] == "base_path"


def test_a_unit_that_is_not_there_is_refused_with_near_names(base: Path) -> None:
    text(base / "day/orders.csv")

    with pytest.raises(UnitNotFound, match=r"Did you mean day/orders\.csv\?"):
        source(base).describe("day/order.csv")
    with pytest.raises(UnitNotFound, match=r"It is a folder: its files are units, and so is day/\*\.csv"):
        source(base).describe("day")
    with pytest.raises(UnitNotFound, match=r"No file in .*day is called \*\.xml"):
        source(base).describe("day/*.xml")
    with pytest.raises(UnitNotFound, match=r"There is no .*/base/night"):
        source(base).describe("night/*.csv")


@pytest.mark.parametrize(
    "unit_id",
    ["", "/", "..", "../secret.csv", "day/../../secret.csv", "/etc/passwd", "day//a.csv", "./a.csv", ".hidden.csv",
     "_tmp/a.csv", "a.csv/", "a.csv/b", "a\0.csv", "../*.csv", "*/a.csv", "\ud800.csv", "x" * 5000],
)  # fmt: skip
def test_no_name_leads_out_of_the_base(base: Path, unit_id: str) -> None:
    for path in ("../secret.csv", "a.csv", ".hidden.csv", "_tmp/a.csv", "day/a.csv"):
        text(base / path)

    for ask in (lambda: source(base).describe(unit_id), lambda: rows_of(base, unit_id)):
        with pytest.raises(UnitNotFound):
            ask()


def test_no_link_is_followed_wherever_it_stands(base: Path, caplog: pytest.LogCaptureFixture) -> None:
    text(base.parent / "secret/s.csv")
    text(base / "own.csv")
    (base / "file.csv").symlink_to(base.parent / "secret/s.csv")
    (base / "inside.csv").symlink_to(base / "own.csv")
    (base / "folder").symlink_to(base.parent / "secret")
    (base / "loop").symlink_to(base)

    assert listed(base) == ["own.csv"]
    assert caplog.text.count("links are not followed") == 4
    for unit_id in ("file.csv", "inside.csv", "folder/s.csv", "folder/*.csv", "loop/own.csv"):
        with pytest.raises(UnitNotFound, match=r"is a link, and links are not followed"):
            rows_of(base, unit_id)


def test_a_link_put_in_place_of_a_file_after_planning_is_not_followed(base: Path) -> None:
    text(base.parent / "secret.csv", "a\n9\n")
    text(base / "own.csv")
    opened = source(base)
    (each,) = opened.plan("own.csv", None, {"mode": "full"}).slices
    (base / "own.csv").unlink()
    (base / "own.csv").symlink_to(base.parent / "secret.csv")

    with pytest.raises(Exception, match=r"is gone while it was read"):
        list(opened.read("own.csv", each, {}))


def test_the_base_itself_may_be_a_link(base: Path) -> None:
    text(base / "own.csv")
    (base.parent / "link").symlink_to(base)

    assert rows_of(base.parent / "link", "own.csv") == [{"a": "1"}]


def test_folders_may_be_deeper_than_calls_can_be(base: Path) -> None:
    text(base / "/".join("d" * 200) / "deep.csv")
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)

    try:
        found = listed(base)
    finally:
        sys.setrecursionlimit(before)

    assert found == ["/".join("d" * 200) + "/deep.csv"]


def test_a_pipe_or_a_socket_is_no_file_and_nobody_waits_for_it(base: Path) -> None:
    os.mkfifo(base / "pipe.csv")
    os.mknod(base / "socket.csv", stat.S_IFSOCK | 0o600)

    assert listed(base) == []
    for name in ("pipe.csv", "socket.csv"):
        with pytest.raises(UnitNotFound, match=r"is no file"):
            rows_of(base, name)


@pytest.mark.parametrize(
    "name", ["a b.csv", "ä.csv", "%2e.csv", "a\nb.csv", "-rf.csv", "a'\";.csv", "[x]?.csv", "a*.csv"]
)
def test_any_name_that_is_text_is_a_unit(base: Path, name: str) -> None:
    text(base / name)

    assert listed(base) == [name]
    assert rows_of(base, name) == [{"a": "1"}]
    assert json.loads(json.dumps(listed(base))) == [name]


def test_a_name_that_is_no_text_is_left_out_of_the_list_and_refused_among_files_that_arrive(base: Path) -> None:
    text(base / "own.csv")
    with open(os.fsencode(base) + b"/caf\xe9.csv", "w") as file:
        file.write("a\n2\n")

    assert listed(base) == ["own.csv"]
    with pytest.raises(ConfigInvalid, match=r"whose name is not UTF-8.*Rename it"):
        rows_of(base, "*.csv")


# ---- rights


@pytest.fixture
def open_base() -> Iterator[Path]:
    """A directory that other users may enter, which pytest's own may not be."""
    path = Path(tempfile.mkdtemp(prefix="headrace-files-"))
    path.chmod(0o755)
    yield path
    for found in path.iterdir():
        found.chmod(0o755)
        for inner in found.iterdir() if found.is_dir() else ():
            inner.unlink()
        found.rmdir() if found.is_dir() else found.unlink()
    path.rmdir()


_AS_NOBODY = """
import json, os, sys
from headrace.endpoints.sources.local_files import LocalFilesSource
from headrace.errors import DataPlaneError
if os.geteuid() == 0:
    os.setuid(65534)
source, told = LocalFilesSource({"base_path": sys.argv[1]}), []
for unit_id in sys.argv[2:]:
    try:
        source.describe(unit_id)
    except DataPlaneError as error:
        told.append([error.tag, error.message])
print(json.dumps([[unit.unit_id for unit in source.list_units()], told]))
"""


def test_what_may_not_be_read_is_told_with_the_right_that_is_missing(open_base: Path) -> None:
    text(open_base / "closed.csv").chmod(0)
    text(open_base / "vault/x.csv").parent.chmod(0)
    text(open_base / "open.csv")

    done = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY, str(open_base), "closed.csv", "vault/x.csv", "open.csv"],
        env={"PYTHONPATH": str(_SOURCES)}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    units, told = json.loads(done.stdout)
    assert units == ["closed.csv", "open.csv", "*.csv"]
    assert [tag for tag, _ in told] == ["PermissionDenied", "PermissionDenied"]
    assert all("Permission denied. Give user id" in message for _, message in told)
