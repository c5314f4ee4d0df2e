"""CSV and JSON lines in the matrix: what stands in the files, written by hand, and what it means."""

from __future__ import annotations

import datetime
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from fidelity.contract import KEY
from fidelity.telling import Told

from headrace.endpoints.sources.local_files import LocalFilesSource

_MEANINGS = {
    "": "text", "string": "text", "double": "float64", "timestamp": "timestamp(6)", "timestamptz": "timestamptz(6)",
}  # fmt: skip
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_INTEGERS = ["-9223372036854775808", "0", "9223372036854775807"]
_TEXTS = [" ", "00501", "1.10", "true", "NaN", 'line\nend, "quote"', "Größe 😀 e\u0301 ﷺ", "x" * 300_000]


@dataclass(frozen=True)
class TextCase:
    """What stands in the file for each row, as it stands there; None for nothing. ``word`` is of ``column_types``."""

    word: str
    written: Sequence[str | None]
    meaning: str = ""
    values: Sequence[str | None] | None = None
    """Told, where the text that stands there is not what the value is."""

    @property
    def means(self) -> str:
        return self.meaning or _MEANINGS.get(self.word, self.word)


WORDS: Mapping[str, TextCase] = {
    "int8": TextCase("int8", ["-128", None, "127"]),
    "int16": TextCase("int16", ["-32768", "32767"]),
    "int32": TextCase("int32", ["-2147483648", "2147483647"]),
    "int64": TextCase("int64", _INTEGERS),
    "double": TextCase("double", ["0.1", "-0.0", "5e-324", "1.7976931348623157e308", "9007199254740993.0"]),
    "bool": TextCase("bool", ["true", None, "false"]),
    "decimal(20,4)": TextCase("decimal(20,4)", ["1234567890123456.7890", "-0.0001"]),
    "decimal(38,9)": TextCase("decimal(38,9)", ["99999999999999999999999999999.999999999", "-0.000000001"]),
    "decimal(76,10)": TextCase("decimal(76,10)", ["9" * 66 + "." + "9" * 10]),
}
"""Of values that CSV and JSON write alike."""

MOMENTS: Mapping[str, TextCase] = {
    "date": TextCase("date", ["0001-01-01", "1969-12-31", None, "9999-12-31"]),
    "timestamp": TextCase(
        "timestamp", ["0001-01-01 00:00:00", "1969-12-31T23:59:59.999999", "2024-02-29 12:00:00.000001"]
    ),
    "timestamptz": TextCase("timestamptz", ["1969-12-31T23:59:59.999999Z", "2024-02-29 12:00:00.5+05:45"]),
}
"""Of values that JSON writes as text."""

REFUSED: Sequence[tuple[str, str]] = (
    ("int8", "128"), ("int64", "9223372036854775808"), ("int64", "1.0"), ("double", "1e400"),
    ("decimal(4,2)", "1.005"), ("decimal(4,2)", "123.45"), ("bool", "yes"), ("date", "29.02.2024"),
    ("timestamp", "2024-02-29 12:00:00.0000001"), ("timestamp", "2024-02-29T12:00:00Z"),
    ("timestamptz", "2024-02-29T12:00:00"), ("json", "{"),
)  # fmt: skip
"""A word of ``column_types`` and a text that is none."""

CSV: Mapping[str, TextCase] = {
    "no type": TextCase("", ["", None, *_TEXTS]),
    "string": TextCase("string", ["", None, *_TEXTS]),
    **WORDS,
    **MOMENTS,
    "json": TextCase("json", ['{"b": 1.10, "a": [12345678901234567890.123456789, null]}', "null"], "json"),
    **{f"{word} = {text}": TextCase(word, [text]) for word, text in REFUSED},
}

_LONG = "12345678901234567890.123456789"
JSON: Mapping[str, TextCase] = {
    "text": TextCase("", [json.dumps(text) for text in ("", *_TEXTS)], "text", ["", *_TEXTS]),
    "text = \\u0000": TextCase("", ['"a\\u0000b"'], "text", ["a\0b"]),
    "integer": TextCase("", ["-9007199254740993", None, "9223372036854775807"], "int64"),
    "number": TextCase("", ["0.1", "5", "-0.0", "1e300"], "float64"),
    "true, false": TextCase("", ["true", "null", "false"], "bool", ["true", None, "false"]),
    "object": TextCase("", ['{"b":[1,' + _LONG + '],"a":"é"}', "{}"], "json"),
    "list": TextCase("", ['["x",null,{"n":' + _LONG + "}]", "[]"], "json"),
    **WORDS,
    **{
        name: TextCase(
            case.word, [None if each is None else json.dumps(each) for each in case.written], case.means, case.written
        )
        for name, case in MOMENTS.items()
    },
    "json": TextCase("json", [_LONG, '"text"', '{"a":[true]}'], "json"),
    f"number = {_LONG}": TextCase("", [_LONG]),
    "integer = 9223372036854775808": TextCase("", ["9223372036854775808"]),
    "int64 = 1.5": TextCase("int64", ["1.5"]),
    "decimal(4,2) = 1.005": TextCase("decimal(4,2)", ["1.005"]),
}  # fmt: skip


class _TextOrigin:
    """One file, written anew with the columns of a run. Small slices, so that there are several."""

    ending: ClassVar[str]
    cases: ClassVar[Mapping[str, TextCase]]
    policy: Mapping[str, Any] = {"targetSliceSize": 4}

    def __init__(self, base: Path) -> None:
        self.unit_id = f"everything.{self.ending}"
        self.base = base
        self.rows = max(len(case.written) for case in self.cases.values()) + 1
        base.mkdir()

    def columns(self) -> Mapping[str, str]:
        return {name: case.means for name, case in self.cases.items()}

    def told(self, columns: Sequence[str]) -> Mapping[str, Told]:
        return {name: self._told(self.cases[name]) for name in columns}

    def _told(self, case: TextCase) -> Told:
        said = [None if each is None else _by_text(each, case.means) for each in case.values or case.written]
        return said + [None] * (self.rows - len(said))

    def open(self, columns: Sequence[str]) -> LocalFilesSource:
        return LocalFilesSource({"base_path": str(self.base), **self.written(columns)})

    def written(self, columns: Sequence[str]) -> Mapping[str, str]:
        """Writes the file. Returns the parameters of who reads it."""
        cases = {name: self.cases[name] for name in columns}
        rows = [
            [case.written[number] if number < len(case.written) else None for case in cases.values()]
            for number in range(self.rows)
        ]
        (self.base / self.unit_id).write_text(self.content(list(cases), rows), newline="")
        types = {KEY: "int32"} | {name: case.word for name, case in cases.items() if case.word}
        return {"column_types": json.dumps(types)}

    def content(self, names: Sequence[str], rows: Sequence[Sequence[str | None]]) -> str:
        raise NotImplementedError


class CsvOrigin(_TextOrigin):
    ending = "csv"
    cases = CSV

    def content(self, names: Sequence[str], rows: Sequence[Sequence[str | None]]) -> str:
        lines = [[KEY, *names], *([str(number), *row] for number, row in enumerate(rows))]
        return "".join(",".join(map(_csv_field, line)) + "\n" for line in lines)


class JsonLinesOrigin(_TextOrigin):
    ending = "jsonl"
    cases = JSON

    def content(self, names: Sequence[str], rows: Sequence[Sequence[str | None]]) -> str:
        return "".join(_json_line(names, [str(number), *row]) for number, row in enumerate(rows))


def _json_line(names: Sequence[str], row: Sequence[str | None]) -> str:
    said = zip((KEY, *names), row, strict=True)
    return "{" + ", ".join(f"{json.dumps(name)}: {text}" for name, text in said if text is not None) + "}\n"


def _csv_field(text: str | None) -> str:
    """A field without anything is NULL."""
    return "" if text is None else '"' + text.replace('"', '""') + '"'


def _by_text(text: str, meaning: str) -> str:
    """The value that a text of that meaning is, told as everything is in the matrix."""
    if meaning == "float64":
        return struct.pack(">d", float(text)).hex()
    if meaning.startswith("decimal"):
        return format(Decimal(text), "f")
    if meaning == "date":
        return str((datetime.date.fromisoformat(text) - _EPOCH.date()).days)
    if meaning.startswith("timestamp"):
        moment = datetime.datetime.fromisoformat(text)
        elapsed = moment.replace(tzinfo=moment.tzinfo or datetime.UTC) - _EPOCH
        return str(elapsed // datetime.timedelta(microseconds=1) * 1000)
    return text
