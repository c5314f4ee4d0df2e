"""Lines of files that are no rows, and values that files cannot hold: set aside, counted, and never in the way."""

from __future__ import annotations

import json
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from carrying import SourceThat, Watching, unit_run

from headrace.endpoints.sinks.local_files import LocalFilesSink
from headrace.endpoints.sources.local_files import LocalFilesSource
from headrace.errors import RowRejected
from headrace.events import Finished, Rejected, RejectedRow, Sealed
from headrace.run import run_unit
from headrace.stagings.local_disk import LocalDiskStaging

ALL = {"maxRows": 1000, "maxRatio": 1}


class Carrying:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.watching = Watching()

    def file(self, name: str, text: str | bytes) -> None:
        (self.root / "in").mkdir(exist_ok=True)
        (self.root / "in" / name).write_bytes(text.encode() if isinstance(text, str) else text)

    def run(self, unit: str, policy: dict[str, Any], source: Any = None, **parameters: str) -> Finished:
        self.watching = Watching()
        run = unit_run(unit, sink_id="lake", policy={"writeDisposition": "append", **policy})
        opened = source or LocalFilesSource({"base_path": str(self.root / "in"), **parameters})
        with closing(opened), closing(LocalFilesSink({"base_path": str(self.root / "lake")})) as sink:
            return run_unit(run, opened, sink, LocalDiskStaging(self.root / "staging"), self.watching)

    @property
    def rejected(self) -> list[tuple[int, str]]:
        return [(row.position, row.code) for row in self.rows]

    @property
    def rows(self) -> list[RejectedRow]:
        return [row for event in self.watching.of(Rejected) for row in event.rows]

    @property
    def lines(self) -> list[int | None]:
        """Those of the reasons, in the file."""
        found = (re.search(r", line (\d+): ", row.reason) for row in self.rows)
        return [None if line is None else int(line[1]) for line in found]

    def stored(self, column: str = "id") -> list[Any]:
        parts = sorted((self.root / "lake").rglob("*.parquet"))
        return [value for part in parts for value in pq.read_table(part).column(column).to_pylist()]


@pytest.fixture
def carrying(tmp_path: Path) -> Carrying:
    return Carrying(tmp_path)


def test_lines_of_csv_with_other_fields_and_values_of_another_type_stay_behind(carrying: Carrying) -> None:
    lines = [f"{n},{n * 10}" for n in range(1000)]
    lines[0], lines[7], lines[500], lines[999] = "0,zero", "7", "500,5000,more", "999,1,2"
    carrying.file("orders.csv", "id,amount\n" + "\n".join(lines) + "\n")
    types = json.dumps({"id": "int64", "amount": "int64"})

    finished = carrying.run("orders.csv", {"quarantine": ALL}, column_types=types)

    assert finished.errors == []
    assert carrying.rejected == [(0, "UNCARRIABLE"), (7, "MALFORMED"), (500, "MALFORMED"), (999, "MALFORMED")]
    assert [json.loads(row.payload or "")["text"] for row in carrying.rows] == [
        '{"id": "0", "amount": "zero"}', "7", "500,5000,more", "999,1,2",
    ]  # fmt: skip
    assert carrying.lines == [2, 9, 502, 1001]
    assert carrying.stored() == [n for n in range(1000) if n not in (0, 7, 500, 999)]
    assert [(s.read, s.rows, s.rejected) for s in carrying.watching.of(Sealed)] == [(1000, 996, 4)]


def test_lines_that_are_no_json_and_values_of_another_kind_stay_behind(carrying: Carrying) -> None:
    lines = [json.dumps({"id": n, "name": f"row {n}"}).encode() for n in range(100)]
    lines[3], lines[4], lines[50], lines[99] = (
        b"{broken",
        b"[1]",
        b'{"id": "fifty", "name": 1}',
        b'{"id": 99, "name": "\xff"}',
    )
    carrying.file("orders.jsonl", b"\n".join(lines) + b"\n")

    finished = carrying.run("orders.jsonl", {"quarantine": ALL})

    assert finished.errors == []
    assert carrying.rejected == [(3, "MALFORMED"), (4, "MALFORMED"), (50, "UNCARRIABLE"), (99, "MALFORMED")]
    assert carrying.lines == [4, 5, 51, 100]
    assert carrying.stored() == [n for n in range(100) if n not in (3, 4, 50, 99)]


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        ("orders.csv", "id,amount\n1,2\n3\n4,5\n6\n7,8\n9\n", [3, 5, 7]),
        ("orders.csv", "id,amount\n1,2\n3\n4,5\n6", [3, None]),
        ("orders.csv", 'id,amount\n1,"2\n"\n3\n4,5\n6\n', [None, 6]),
        ("orders.csv", "id,amount\n\n1,2\n3", [None]),
        ("orders.jsonl", '{"id": 1}\n\n{"id": "x"}\n[]\n{"id": 2}\n{"id": "y"}', [3, 4, 6]),
    ],
    ids=["slice by slice", "no line feed at the end", "a record of two lines", "a blank line, and none", "JSON"],
)
def test_a_line_that_is_set_aside_is_told_by_its_number_in_the_file_or_by_none(
    carrying: Carrying, name: str, text: str, lines: list[int | None]
) -> None:
    carrying.file(name, text)

    finished = carrying.run(name, {"quarantine": ALL, "targetSliceSize": 2})

    assert finished.errors == []
    assert carrying.lines == lines


@pytest.mark.parametrize("name", ["orders.csv", "orders.jsonl"])
def test_a_file_of_nothing_but_bad_lines_succeeds_without_a_row(carrying: Carrying, name: str) -> None:
    carrying.file(name, "id,amount\n1\n2\n" if name.endswith("csv") else "{\n}\n")

    finished = carrying.run(name, {"quarantine": ALL})

    assert finished.errors == []
    counted = {key: finished.stats[key] for key in ("exported_rows", "rejected_rows", "applied_rows")}
    assert counted == {"exported_rows": 2, "rejected_rows": 2, "applied_rows": 0}


@pytest.mark.parametrize(
    ("lines", "rejected"),
    [
        ('{"id": 1e400}\n', [(0, "UNCARRIABLE")]),
        ('{"id": 1e400}\n{"id": "x"', [(0, "UNCARRIABLE"), (1, "MALFORMED")]),
        ('{"id": ', [(0, "MALFORMED")]),
    ],
)
def test_lines_are_set_aside_also_where_no_other_shows_a_column_and_where_the_file_is_cut_off(
    carrying: Carrying, lines: str, rejected: list[tuple[int, str]]
) -> None:
    carrying.file("orders.jsonl", lines)

    finished = carrying.run("orders.jsonl", {"quarantine": ALL})

    assert finished.errors == []
    assert carrying.rejected == rejected


def test_a_column_of_the_reserved_name_is_refused_by_name_unless_it_is_a_mark(carrying: Carrying) -> None:
    carrying.file("orders.csv", "id,_headrace_op\n1,insert\n")

    (refused,) = carrying.run("orders.csv", {}).errors
    left_out = carrying.run("orders.csv", {"columns": ["id"]})

    assert (refused.tag, refused.details["column"]) == ("ConfigInvalid", "_headrace_op")
    assert "policy's columns" in refused.message
    assert (left_out.errors, carrying.stored()) == ([], ["1"])


def test_without_a_quarantine_a_bad_line_ends_the_run_as_before(carrying: Carrying) -> None:
    carrying.file("orders.csv", "id,amount\n1,2\n3\n")

    finished = carrying.run("orders.csv", {})

    assert [error.tag for error in finished.errors] == ["RowRejected"]
    assert "line 3" in finished.errors[0].message


def test_a_column_that_only_a_bad_line_shows_can_be_chosen_and_its_line_is_what_is_wrong(carrying: Carrying) -> None:
    carrying.file("orders.jsonl", '{"id": 1}\n{"id": 2, "amount": 12345678901234567890.123456789}\n')

    with pytest.raises(RowRejected, match="line 2: in column 'amount'"):
        carrying.run("orders.jsonl", {"columns": ["id", "amount"]})


def test_a_row_set_aside_is_told_by_its_place_among_the_filtered_ones_too(carrying: Carrying) -> None:
    lines = [json.dumps({"id": n, "note": "x" * 2000 if n == 70 else "x"}) for n in range(100)]
    lines[40] = "{broken"
    carrying.file("orders.jsonl", "\n".join(lines) + "\n")

    policy = {"quarantine": ALL, "filter": {"ge": ["id", 60]}, "limits": {"rowBytes": 1000}}
    finished = carrying.run("orders.jsonl", policy)

    assert finished.errors == []
    assert carrying.rejected == [(40, "MALFORMED"), (70, "TOO_LARGE")]
    assert carrying.stored() == [n for n in range(60, 100) if n != 70]
    assert [(s.read, s.rows, s.rejected, s.filtered) for s in carrying.watching.of(Sealed)] == [(100, 39, 2, 59)]


def test_slices_of_a_file_count_each_bad_line_once(carrying: Carrying) -> None:
    lines = [f"{n},x" if n % 10 else str(n) for n in range(100)]
    carrying.file("orders.csv", "id,note\n" + "\n".join(lines) + "\n")

    finished = carrying.run("orders.csv", {"quarantine": ALL, "targetSliceSize": 15})

    assert finished.errors == []
    assert finished.stats["rejected_rows"] == 10
    assert sorted(carrying.stored()) == sorted(str(n) for n in range(100) if n % 10)
    assert all(s.read == s.rows + s.rejected for s in carrying.watching.of(Sealed))


@pytest.mark.parametrize(
    ("contract", "stored", "rejected"), [("discard_row", [1, 2, 4], 1), ("discard_value", [1, 2, None, 4], 0)]
)
def test_a_value_wider_than_the_files_there_is_discarded_as_the_contract_says(
    carrying: Carrying, contract: str, stored: list[Any], rejected: int
) -> None:
    def batch(*values: int, kind: pa.DataType) -> Any:
        return SourceThat(lambda _: iter([pa.record_batch([pa.array(values, kind)], names=["id"])]), 1)

    first = carrying.run("rows", {"mode": "incremental"}, batch(1, 2, kind=pa.int32()))
    policy = {"mode": "incremental", "schemaContract": contract, "quarantine": ALL}
    run = unit_run("rows", sink_id="lake", policy={"writeDisposition": "append", **policy}, epoch=2,
                   checkpoint=first.new_checkpoint)  # fmt: skip
    with closing(LocalFilesSink({"base_path": str(carrying.root / "lake")})) as sink:
        later = _Later(lambda _: iter([pa.record_batch([pa.array([2**40, 4])], names=["id"])]), 1)
        finished = run_unit(run, later, sink, LocalDiskStaging(carrying.root / "staging"), Watching())

    assert finished.errors == []
    assert carrying.stored() == stored
    assert finished.stats["rejected_rows"] == rejected


class _Later(SourceThat):
    """Has one slice more, wherever the last one ended."""

    def plan(self, unit_id: str, checkpoint: Any, policy: Any, next_seq: int = 0) -> Any:
        plan = super().plan(unit_id, None, policy, next_seq)
        return plan
