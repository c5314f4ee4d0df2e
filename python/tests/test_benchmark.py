"""The pure parts of the benchmark: what is said of measured runs, and when a result counts as right."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bench import figures, goals, ledger, lineitem, page
from bench.contenders import Contender, Verdict, flags, named
from bench.ledger import Ledger
from bench.meter import Command
from bench.processes import Process
from bench.workload import Workload
from bench.workloads.e_memory import frame_bytes

REFERENCE = {name: str(number) for number, name in enumerate(lineitem.CHECKS, start=100)}
HEAD = {
    "commit": "abc 2026-11-27",
    "machine": "2 cores",
    "postgres": "15",
    "python": "3.11",
    "tools": {"duckdb": "duckdb 1"},
}
DASH, TIMES = chr(0x2013), chr(0xD7)


def ran(label: str, round_: int, wall: float, **more: Any) -> dict[str, Any]:
    """A record of a good run of a thousand rows, as the meter and the check leave it."""
    figures_ = {"wall": wall, "rows": 1000, "client_cpu": 1.0, "server_cpu": 0.5, "other_cpu": 0.1, "cores": 2}
    memory = {"memory": {"rss": 200, "pss": 150}, "parts": {"data": {"rss": 120, "pss": 100}}}
    record = {"kind": "run", "label": label, "round": round_, "table": "lineitem", "ok": True, "options": {}}
    return {**record, **figures_, **memory, **more}


def failed(label: str, round_: int) -> dict[str, Any]:
    """Of a run that was fast and wrong."""
    return {**ran(label, round_, 0.1), "ok": False, "failure": "wrong result: rows is 9, not 10"}


# ---- figures


def test_the_median_leaves_out_a_failed_run_and_the_summary_says_that_it_failed() -> None:
    found = figures.summary("ours", [ran("ours", 1, 3.0), failed("ours", 2), ran("ours", 3, 5.0), ran("ours", 4, 10.0)])

    assert found.wall == (3.0, 5.0, 10.0)
    assert found.failed
    assert found.failure == "wrong result: rows is 9, not 10"


def test_memory_is_the_highest_of_all_rounds() -> None:
    more = {"memory": {"rss": 300, "pss": 90}, "parts": {"data": {"rss": 80, "pss": 110}}}

    found = figures.summary("ours", [ran("ours", 1, 1.0), ran("ours", 2, 1.0, **more)])

    assert found.memory == {"rss": 300, "pss": 150}
    assert found.parts == {"data": {"rss": 120, "pss": 110}}


def test_a_ratio_compares_within_a_round_so_that_a_slow_round_does_not_move_it() -> None:
    ours = [ran("ours", 1, 1.0), ran("ours", 2, 10.0), ran("ours", 3, 1.0)]
    theirs = [ran("theirs", 1, 2.0), ran("theirs", 2, 20.0), ran("theirs", 3, 4.0)]

    assert figures.ratio(ours, theirs) == pytest.approx(0.5)


def test_a_ratio_compares_time_for_a_row_where_the_tables_differ() -> None:
    assert figures.ratio([ran("ours", 1, 1.0)], [ran("theirs", 1, 1.0, rows=500)]) == pytest.approx(0.5)


def test_there_is_no_ratio_to_a_round_that_failed() -> None:
    assert figures.ratio([ran("ours", 1, 1.0)], [failed("theirs", 1)]) is None


def test_the_spread_of_the_same_command_is_the_median_difference_between_its_two_runs() -> None:
    one = [ran("a", 1, 1.0), ran("a", 2, 1.0), ran("a", 3, 1.0)]
    other = [ran("b", 1, 1.1), ran("b", 2, 1.0), ran("b", 3, 0.5)]

    assert figures.spread(one, other) == pytest.approx(0.1)


def test_the_rest_of_the_machine_is_busy_for_all_of_a_run_though_a_part_of_it_counts() -> None:
    assert figures.busy([ran("ours", 1, 1.0, span=4.0, other_cpu=2.0)]) == pytest.approx(0.25)


@pytest.mark.parametrize(("part", "wanted"), [(0.5, 50), (0.99, 99), (1.0, 100)])
def test_a_percentile_is_a_sample_that_so_many_are_not_above(part: float, wanted: int) -> None:
    assert figures.percentile([float(each) for each in range(100, 0, -1)], part) == wanted


def test_the_fastest_settings_are_of_a_run_that_was_right() -> None:
    quick = {**failed("duckdb", 1), "options": {"threads": "8"}}

    slow = ran("duckdb", 1, 2.0, options={"threads": "2"})
    assert figures.fastest([slow, quick, ran("duckdb", 1, 1.0, options={"threads": "4"})]) == {"threads": "4"}


def test_a_setting_without_a_value_is_a_flag_alone() -> None:
    options = {"no-inference": "", "page-size": "10"}

    assert flags(options) == ("--no-inference", "--page-size", "10")
    assert named(options) == "no-inference page-size=10"


# ---- the check of a result


def test_a_copy_is_exact_when_every_value_is_the_generators() -> None:
    assert lineitem.differences([int(value) for value in REFERENCE.values()], REFERENCE) == []


def test_a_reference_may_name_its_values_in_any_order() -> None:
    turned = dict(reversed(REFERENCE.items()))

    assert lineitem.differences(list(REFERENCE.values()), turned) == []


def test_a_value_that_differs_or_is_missing_is_named() -> None:
    found: list[object] = list(REFERENCE.values())
    found[0], found[1] = 99, None

    assert lineitem.differences(found, REFERENCE) == ["rows is 99, not 100", "orderkey is None, not 101"]


def test_columns_of_another_type_are_named_by_type() -> None:
    types = {name: duckdb for name, (_, duckdb) in lineitem.COLUMNS.items()}

    assert lineitem.other_types({**types, "l_tax": "DOUBLE", "l_discount": "DOUBLE"}, 1) == [
        "l_discount, l_tax are DOUBLE"
    ]


def test_four_copies_have_four_times_the_sums_and_keys_that_go_on() -> None:
    once = {**dict.fromkeys(lineitem.CHECKS, "3"), "rows": "2", "orderkey": "3", "quantity": "1.50"}

    found = lineitem.fourfold(once, highest=2)

    # keys 1, 2 then 3, 4 then 5, 6 then 7, 8
    assert (found["rows"], found["orderkey"], found["quantity"]) == ("8", "36", "6.00")


# ---- goals


def test_a_goal_against_several_rivals_is_held_to_the_fastest() -> None:
    runs = {"ours": [ran("ours", 1, 1.0)], "slow": [ran("slow", 1, 9.0)], "quick": [ran("quick", 1, 1.5)]}

    found = goals.outcome(goals.faster("ours", 2, "slow", "quick"), runs)

    assert (found.value, found.met) == (pytest.approx(1.5), False)


def test_whoever_failed_once_meets_no_goal() -> None:
    runs = {"ours": [ran("ours", 1, 1.0), failed("ours", 2)], "theirs": [ran("theirs", 1, 9.0), ran("theirs", 2, 9.0)]}

    assert goals.outcome(goals.faster("ours", 2, "theirs"), runs).met is None


def test_memory_is_judged_by_the_part_that_the_goal_names() -> None:
    runs = {"ours": [ran("ours", 1, 1.0)]}

    assert [goals.outcome(goals.memory("ours", bound), runs).met for bound in (100, 99)] == [True, False]


def test_a_latency_may_have_the_time_of_its_commits_on_top() -> None:
    runs = {"ours": [ran("ours", 1, 0.012, samples_ms=[12.0, 12.0, 30.0], commits_ms=3.0)]}

    found = goals.outcome(goals.latency("ours", 0.5, 10), runs)

    assert (found.value, found.bound, found.met) == (12.0, 13.0, True)


# ---- what was measured before


def test_a_ledger_goes_on_behind_a_line_that_was_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "A.jsonl"
    Ledger(file, HEAD, fresh=False).add(ran("ours", 1, 1.0))
    with file.open("a") as cut:
        cut.write('{"kind": "run", "label": "ou')

    again = Ledger(file, HEAD, fresh=False)
    again.add(ran("ours", 2, 1.0))

    assert [record["round"] for record in Ledger(file, HEAD, fresh=False).of("run")] == [1, 2]


def test_a_ledger_of_other_code_is_begun_anew(tmp_path: Path) -> None:
    file = tmp_path / "A.jsonl"
    Ledger(file, HEAD, fresh=False).add(ran("ours", 1, 1.0))

    assert Ledger(file, {**HEAD, "commit": "def"}, fresh=False).of("run") == []


def test_a_run_that_was_done_again_counts_once() -> None:
    runs = ledger.rounds([failed("ours", 1), ran("ours", 2, 2.0), ran("ours", 1, 1.0)], ["ours", "theirs"])

    assert [run["wall"] for run in runs["ours"]] == [1.0, 2.0]
    assert runs["theirs"] == []


# ---- what the meter reads


def test_a_process_is_read_behind_a_name_with_spaces_and_parentheses() -> None:
    found = Process.parse("7 (a (b) c) S 3 7 7 0 -1 0 0 0 0 0 200 100 50 50 20 0 1 0")

    assert (found.parent, found.cpu, found.reaped_cpu) == (3, 3.0, 1.0)


def test_bytes_of_frames_are_those_of_the_last_run() -> None:
    log = 'level=DEBUG frameBytes=100\n{"frameBytes":2048,"rows":1}\n'

    assert (frame_bytes(log), frame_bytes("")) == (2048, 0)


# ---- the page


def described(*labels: str) -> dict[str, Any]:
    def contender(label: str) -> Contender:
        return Contender(
            label, "headrace" if label == "ours" else "duckdb", lambda *_: Command(()), lambda _: Verdict()
        )

    workload = Workload("A", "To Parquet", "About it.", [contender(label) for label in labels], "theirs")
    return page.description(replace(workload, twins=None))


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


def test_a_record_survives_the_ledger(tmp_path: Path) -> None:
    file = tmp_path / "A.jsonl"
    Ledger(file, HEAD, fresh=False).add(described("ours"))

    assert json.loads(file.read_text().splitlines()[1])["labels"] == ["ours"]
