"""What the page of a benchmark says of measured runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench import goals, page
from benchmark_runs import DASH, HEAD, TIMES, described, failed, ran


def test_the_page_says_the_median_the_ratio_and_who_is_missing() -> None:
    runs = [ran(label, number, wall) for number in range(1, 6) for label, wall in (("ours", 1.0), ("theirs", 2.0))]
    missing = {"kind": "missing", "tool": "sling", "why": "not installed: no wheel"}

    found = page.text([[{"kind": "head", "head": HEAD}, described("ours", "theirs"), *runs, missing]])

    assert f"| ours | 1,000 | **1.00** (1.00{DASH}1.00) | 1 k | 0.50 | 1.0 + 0.5 | 200 / 150 | 0.1 |" in found
    assert "* Missing: sling, not installed: no wheel." in found
    assert "quoted" not in found


def test_a_ratio_is_taken_against_whoever_does_the_same_task() -> None:
    about = {**described("csv", "theirs", "other"), "bases": {"csv": "theirs", "theirs": "theirs", "other": "other"}}
    runs = [ran("csv", 1, 1.0), ran("theirs", 1, 2.0), ran("other", 1, 8.0)]

    found = page.text([[{"kind": "head", "head": HEAD}, about, *runs]])

    assert [line.split(" | ")[4] for line in found.splitlines() if "1,000 |" in line] == ["0.50", "1.00", "1.00"]


def test_a_rival_that_was_missing_once_and_came_later_is_not_missing() -> None:
    missing = {"kind": "missing", "tool": "duckdb", "why": "left out"}

    found = page.text([[{"kind": "head", "head": HEAD}, described("theirs"), missing, ran("theirs", 1, 1.0)]])

    assert "Missing" not in found


def test_the_page_gives_no_time_and_no_ratio_to_whoever_failed_once() -> None:
    runs = [ran("ours", 1, 1.0), failed("ours", 2), ran("theirs", 1, 2.0), ran("theirs", 2, 2.0)]

    found = page.text([[{"kind": "head", "head": HEAD}, described("ours", "theirs"), *runs]])

    assert f"| ours | 1,000 | failed in 1 of 2 |{f' {DASH} |' * 5}" in found
    assert "* ours failed: wrong result: rows is 9, not 10" in found
    assert "* **Not to be quoted**: 2 of 5 rounds are a trial." in found


def judged(wall: float) -> dict[str, Any]:
    """What a goal of twice the speed says of a rival that took so long where ours took a second."""
    runs = {"ours": [ran("ours", 1, 1.0)], "theirs": [ran("theirs", 1, wall)]}
    return vars(goals.outcome(goals.faster("ours", 2, "theirs"), runs))


def test_the_page_begins_with_every_goal_its_bound_and_whether_it_was_met() -> None:
    told = [judged(1.5), judged(3.0), {**judged(3.0), "value": None, "met": None}]
    runs = [ran("theirs", number, 1.5) for number in range(1, 6)]

    found = page.text([[{"kind": "head", "head": HEAD}, described("theirs"), *runs, {"kind": "goals", "goals": told}]])

    row = f"| A | ours ≥ 2{TIMES} the rows a second of theirs | 2.00 {TIMES} |"
    assert "3 goals: 1 met, 1 missed, 1 not measured." in found
    assert f"{row} 1.50 {TIMES} | **missed** |\n{row} 3.00 {TIMES} | met |\n{row} {DASH} | not measured |" in found
    assert [line for line in found.splitlines() if line.startswith("## ")] == [
        "## Goals",
        "## How to read the figures",
        "## A: To Parquet",
        "## Versions",
        "## How to repeat it",
    ]


def test_the_page_names_the_workloads_it_says_nothing_of(tmp_path: Path) -> None:
    records = [{"kind": "head", "head": HEAD}, described("theirs"), ran("theirs", 1, 1.0)]
    (tmp_path / "A.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))

    page.write(tmp_path / "page.md", tmp_path, "ABC")

    assert "Workloads that were not measured: B, C." in (tmp_path / "page.md").read_text()


def test_goals_of_a_trial_or_a_noisy_machine_prove_nothing() -> None:
    trial = [ran("theirs", 1, 1.0)]
    noisy = [ran(label, number, wall) for number in range(1, 6) for label, wall in (("ours", 1.0), ("theirs", 1.2))]
    twins = {**described("ours", "theirs"), "twins": ["ours", "theirs"]}

    assert "**A proves nothing yet**: 1 of 5 rounds is a trial." in page.text(
        [[{"kind": "head", "head": HEAD}, described("theirs"), *trial]]
    )
    assert "**A proves nothing yet**: the same command differed from itself by 20%, more than 10%." in page.text(
        [[{"kind": "head", "head": HEAD}, twins, *noisy]]
    )


def test_the_page_names_the_settings_that_were_tried_the_fastest_first() -> None:
    search = [
        {**ran("theirs", 1, wall, options={"threads": threads}), "kind": "search"}
        for threads, wall in (("2", 2.0), ("4", 1.0))
    ]

    found = page.text([[{"kind": "head", "head": HEAD}, described("theirs"), *search, ran("theirs", 1, 1.0)]])

    assert "## Settings" in found
    assert "* A, theirs: `threads=4` 1.00 s, `threads=2` 2.00 s." in found


def test_the_page_says_what_a_workload_was_measured_with_when_it_was_something_else() -> None:
    first = [{"kind": "head", "head": HEAD}, described("theirs"), ran("theirs", 1, 1.0)]
    later = [{"kind": "head", "head": {**HEAD, "commit": "def"}}, described("theirs"), ran("theirs", 1, 1.0)]

    assert "* Measured with another commit: def." in page.text([first, later])
