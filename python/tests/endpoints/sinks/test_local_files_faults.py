"""The local-files sink when it is killed, raced, out of space or not allowed: real processes, real signals."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from local_files_kit import land, rows, target
from small_disk import may_mount, small_disk

from headrace.errors import ConfigInvalid

_HERE = Path(__file__).parent
_SOURCES = _HERE.parents[2] / "src"
_COMMAND = [sys.executable, str(_HERE / "local_files_child.py")]


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that other users may enter, which pytest's own may not be."""
    path = Path(tempfile.mkdtemp(prefix="headrace-sink-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def child(*arguments: str, inside: tuple[str, ...] = ()) -> list[Any]:
    """Run the child to its end, by way of the command ``inside``; what it printed, line by line."""
    done = subprocess.run(
        [*inside, *_COMMAND, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(_SOURCES), str(_HERE)))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("scenario", "may_be_seen", "in_the_end"),
    [
        ("first", [[], [4, 5, 6]], [4, 5, 6]),
        ("append", [[1, 2, 3], [1, 2, 3, 4, 5, 6]], [1, 2, 3, 4, 5, 6]),
        ("replace", [[1, 2, 3], [], [4, 5, 6]], [4, 5, 6]),
        ("merge", [[1, 2, 3], [1, 2, 3, 4, 5, 6]], [1, 2, 3, 4, 5, 6]),
    ],
)
def test_killed_before_any_line_a_reader_sees_whole_slices_and_the_next_run_completes_them(
    tmp_path: Path, scenario: str, may_be_seen: list[list[int]], in_the_end: list[int]
) -> None:
    outcomes = child("crash", str(tmp_path / "lake"), scenario)

    assert len(outcomes) > 100
    seen = [outcome["seen"] for outcome in outcomes]
    assert [ids for ids in may_be_seen if ids in seen] == may_be_seen
    assert [ids for ids in seen if ids not in may_be_seen] == []
    assert [outcome for outcome in outcomes if outcome["torn"] or outcome["left"]] == []
    assert [outcome for outcome in outcomes if outcome["then"] != in_the_end] == []


def test_of_two_processes_that_take_one_slot_one_wins_and_the_other_adopts_it(tmp_path: Path) -> None:
    rounds = child("race", str(tmp_path), "40")

    assert len(rounds) == 40
    for outcome in rounds:
        assert sorted(adopted for adopted, _ in outcome["told"]) == [False, True]
        assert {rows for _, rows in outcome["told"]} == {outcome["rows"]}


@pytest.mark.parametrize("limit", [1_000, 20_000, 70_000, 130_000])
def test_a_file_that_may_not_grow_is_reported_as_a_full_sink_and_leaves_nothing(tmp_path: Path, limit: int) -> None:
    refused, after = child("full", str(tmp_path), str(limit))

    assert refused["tag"] == "SinkFull"
    assert str(tmp_path) in refused["message"]
    assert refused["slots"] == refused["seq"]
    assert after == {"torn": [], "left": 0}
    assert not (tmp_path / "_tmp").exists()


@pytest.mark.parametrize("kibibytes", [128, 132, 136, 140, 256])
def test_a_full_disk_is_reported_as_a_full_sink_and_leaves_nothing(open_directory: Path, kibibytes: int) -> None:
    # Where no file system may be mounted, the limit on the size of a file stands in for its end.
    limit, disk = ("0", small_disk(open_directory, kibibytes)) if may_mount() else (f"{kibibytes // 8 * 1024}", ())

    refused, after = child("full", str(open_directory), limit, inside=disk)

    assert refused["tag"] == "SinkFull"
    assert refused["slots"] == refused["seq"]
    assert after == {"torn": [], "left": 0}


def test_a_directory_that_may_not_be_written_is_named_with_what_to_do(open_directory: Path) -> None:
    open_directory.chmod(0o555)

    (refused,) = child("as", "65534", str(open_directory / "lake"))

    assert refused["tag"] == "PermissionDenied"
    assert str(open_directory / "lake") in refused["message"]
    assert f"Give user id {refused['uid']} the right" in refused["message"]
    assert os.listdir(open_directory) == []


def test_a_file_where_the_sink_should_be_is_told_that_a_sink_is_a_folder(tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_text("id\n1\n")

    with pytest.raises(ConfigInvalid, match="A sink is a folder, and a file is in its place") as refusal:
        land(file, target(), rows(1))

    assert refusal.value.details["field"] == "base_path"
    assert file.read_text() == "id\n1\n"
