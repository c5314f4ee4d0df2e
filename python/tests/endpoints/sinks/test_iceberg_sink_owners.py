"""Owners that are killed: a slice is all there or not at all, and the next owner ends what the dead one began."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from iceberg_writing import sqlite_catalog
from test_iceberg_sink_servers import postgres_catalog

CHILD = Path(__file__).with_name("iceberg_child.py")

BEFORE_COMMIT = (
    "Landing._write", "Files.write", "FlushedFile.close#2", "Landing._write:", "Change.commit_transaction#3",
    "Change._assertions:#3",
)  # fmt: skip
MERGING = ("Merge.read:", "Merge._rewritten:", "Files.write:", "Change.commit_transaction#3", "Change._assertions:#2")
AFTER_COMMIT = ("Change.commit_transaction:#3", "Landing.land:")
BEFORE_SHOWN = ("_show", "Change._assertions:#4")


@pytest.mark.parametrize("catalog", [sqlite_catalog, postgres_catalog], ids=["sqlite", "postgres"])
@pytest.mark.parametrize(
    ("disposition", "points"),
    [
        ("merge", (*MERGING, *AFTER_COMMIT)),
        ("replace", (*BEFORE_COMMIT, *AFTER_COMMIT, *BEFORE_SHOWN, "Change.commit_transaction:#4")),
    ],
)
def test_an_owner_killed_anywhere_leaves_all_of_a_slice_or_none_and_the_next_one_ends_it(
    tmp_path: Path, catalog: Callable[[Path], dict[str, str]], disposition: str, points: tuple[str, ...]
) -> None:
    """F07, I7"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(CHILD), json.dumps(catalog(tmp_path)), disposition, *points],
        env={"PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines()]

    assert [line[0] for line in lines] == list(points), done.stderr
    for generation, (point, is_killed, seen, is_recorded, again) in enumerate(lines, 2):
        old, new = [str(generation - 1)] * 3, [str(generation)] * 3
        is_committed = point not in (*BEFORE_COMMIT, *MERGING)
        is_shown = is_committed if disposition == "merge" else point == "Change.commit_transaction:#4"
        assert (point, is_killed, is_recorded, seen) == (point, True, is_committed, new if is_shown else old)
        assert (point, again) == (point, new)
