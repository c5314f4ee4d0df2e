"""The pure parts of the benchmark: figures of measured runs, goals, and when a result counts as right."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from bench import figures, goals, ledger, lineitem
from bench.contenders import flags, named
from bench.ledger import Ledger
from bench.meter import Weighing
from bench.processes import Process, memory, resident
from bench.workloads.e_memory import frame_bytes
from benchmark_runs import HEAD, described, failed, ran

REFERENCE = {name: str(number) for number, name in enumerate(lineitem.CHECKS, start=100)}


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


def test_memory_is_weighed_at_each_new_high_and_once_a_second() -> None:
    weighing = Weighing()

    assert weighing.due(1000, 0.0)
    assert not weighing.due(1020, 0.1)
    assert weighing.due(1021, 0.2)
    assert not weighing.due(1000, 1.1)
    assert weighing.due(500, 1.2)
    assert not weighing.due(1021, 1.3), "a high that was weighed before is not new"


def test_what_is_resident_is_what_the_kernel_sums_up_for_the_process() -> None:
    weighed = memory(os.getpid()).rss

    assert 0.9 < resident(os.getpid()) / weighed < 1.1


def test_bytes_of_frames_are_those_of_the_last_run() -> None:
    log = 'level=DEBUG frameBytes=100\n{"frameBytes":2048,"rows":1}\n'

    assert (frame_bytes(log), frame_bytes("")) == (2048, 0)


def test_a_record_survives_the_ledger(tmp_path: Path) -> None:
    file = tmp_path / "A.jsonl"
    Ledger(file, HEAD, fresh=False).add(described("ours"))

    assert json.loads(file.read_text().splitlines()[1])["labels"] == ["ours"]
