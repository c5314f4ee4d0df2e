"""The ``file.local`` template: what it says of itself, and what a connection test finds."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.endpoint import TestLevel
from headrace.endpoints.systems.local_files import LocalFilesConfig, LocalFilesSystem
from headrace.endpoints.systems.local_files_failures import failure
from headrace.errors import ConfigInvalid

_SOURCES = Path(__file__).parents[3] / "src"


def test_the_template_is_one_of_files_with_a_directory_and_a_format() -> None:
    descriptor = LocalFilesSystem.descriptor()

    fields = {field.key: field for field in descriptor.fields}
    assert (descriptor.id, descriptor.family) == ("file.local", "FILE")
    assert (fields["base_path"].semantic, fields["base_path"].required) == ("FILE_PATH", True)
    assert [option.value for option in fields["format"].options or []] == ["parquet", "csv", "jsonl", "arrow"]
    assert {capability.key for capability in descriptor.capabilities} >= {"ingest.full", "sink.file", "preview"}


def test_describing_the_template_loads_no_driver() -> None:
    code = (
        "import sys; from headrace.endpoints.systems.local_files import LocalFilesSystem;"
        "LocalFilesSystem.descriptor(); print('pyarrow' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(_SOURCES)}, capture_output=True, text=True
    )

    assert done.stdout.strip() == "False", done.stderr


def test_a_connection_is_the_url_of_the_directory() -> None:
    connection = LocalFilesSystem.build_connection({"base_path": "/data/my lake", "format": "csv"})

    assert connection.url == "file:///data/my%20lake"
    assert connection.config["parameters"] == {"base_path": "/data/my lake", "format": "csv"}


def test_a_connection_keeps_what_was_said_and_adds_no_format_of_its_own() -> None:
    said = {"base_path": "/data", "delimiter": "tab", "column_types": '{"zip": "string"}', "format": ""}

    kept = LocalFilesSystem.build_connection(said).config["parameters"]

    assert kept == {"base_path": "/data", "delimiter": "tab", "column_types": '{"zip": "string"}'}


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({}, "base_path"),
        ({"base_path": " "}, "base_path"),
        ({"base_path": "a\0b"}, "base_path"),
        ({"base_path": "s3://bucket/x"}, "base_path"),
        ({"base_path": "file://host/x"}, "base_path"),
        ({"base_path": "/x", "format": "avro"}, "format"),
        ({"base_path": "/x", "compression": "lzo"}, "compression"),
        ({"base_path": "/x", "delimiter": '"'}, "delimiter"),
        ({"base_path": "/x", "delimiter": ";;"}, "delimiter"),
        ({"base_path": "/x", "column_types": "{"}, "column_types"),
        ({"base_path": "/x", "column_types": "[]"}, "column_types"),
        ({"base_path": "/x", "column_types": '{"id": "bigint"}'}, "column_types"),
        ({"base_path": "/x", "column_types": '{"price": "decimal(77,2)"}'}, "column_types"),
        ({"base_path": "/x", "column_types": '{"price": "decimal(2,3)"}'}, "column_types"),
        ({"base_path": "/x", "column_types": '{"id": 5}'}, "column_types"),
    ],
)
def test_a_wrong_parameter_is_named(parameters: dict[str, str], field: str) -> None:
    with pytest.raises(ConfigInvalid) as raised:
        LocalFilesSystem.build_connection(parameters)
    assert raised.value.details["field"] == field

    tested = LocalFilesSystem.test_connection(parameters)
    assert not tested.success
    assert tested.diagnostics[0].field == field
    assert tested.diagnostics[0].hint


def test_a_path_may_be_relative_a_home_or_a_file_url(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")

    def parsed(text: str) -> str:
        return str(LocalFilesConfig.parse({"base_path": text}).base_path)

    assert parsed("lake/../lake") == f"{tmp_path}/lake"
    assert parsed("~/lake") == "/home/somebody/lake"
    assert parsed("file:///data/my%20lake") == "/data/my lake"


@pytest.mark.parametrize("level", [None, "connect", "read", "write"])
def test_an_existing_directory_passes_at_every_level_and_stays_empty(tmp_path: Path, level: TestLevel | None) -> None:
    tested = LocalFilesSystem.test_connection({"base_path": str(tmp_path)}, level)

    assert tested.success
    assert "sink.file" in tested.capabilities
    assert os.listdir(tmp_path) == []


def test_writing_proves_that_a_slot_can_be_taken_only_once(tmp_path: Path) -> None:
    tested = LocalFilesSystem.test_connection({"base_path": str(tmp_path)}, "write")

    assert tested.details["delivery"] == "B"


def test_a_directory_that_can_be_made_passes_for_a_sink_and_not_for_a_source(tmp_path: Path) -> None:
    missing = {"base_path": str(tmp_path / "a" / "b")}

    assert LocalFilesSystem.test_connection(missing, "write").success
    assert LocalFilesSystem.test_connection(missing).diagnostics[0].code == "DIRECTORY_MISSING"
    refused = LocalFilesSystem.test_connection(missing, "read")
    assert not refused.success
    assert str(tmp_path / "a" / "b") in refused.message
    assert refused.diagnostics[0].code == "DIRECTORY"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("level", [None, "read"])
def test_a_file_alone_passes_as_a_source_and_promises_no_sink(tmp_path: Path, level: TestLevel | None) -> None:
    (tmp_path / "orders.csv").write_text("id\n1\n")

    tested = LocalFilesSystem.test_connection({"base_path": str(tmp_path / "orders.csv")}, level)

    assert (tested.success, "sink.file" in tested.capabilities) == (True, False)
    assert "ingest.full" in tested.capabilities


@pytest.mark.parametrize(
    ("below", "level"), [("file", "write"), ("file/below", None), ("file/below", "read"), ("file/below", "write")]
)
def test_a_file_is_no_directory(tmp_path: Path, below: str, level: TestLevel | None) -> None:
    (tmp_path / "file").write_text("")

    tested = LocalFilesSystem.test_connection({"base_path": str(tmp_path / below)}, level)

    assert not tested.success
    assert tested.diagnostics[0].field == "base_path"


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that other users may enter, which pytest's own may not be."""
    path = Path(tempfile.mkdtemp(prefix="headrace-files-"))
    yield path
    path.chmod(0o755)
    path.rmdir()


_AS_NOBODY = """
import json, os, sys
from headrace.endpoints.systems.local_files import LocalFilesSystem
if os.geteuid() == 0:
    os.setuid(65534)
tested = LocalFilesSystem.test_connection({"base_path": sys.argv[1]}, sys.argv[2])
print(json.dumps([tested.success, tested.message, tested.diagnostics[0].code, tested.diagnostics[0].hint]))
"""


@pytest.mark.parametrize(("mode", "level", "words"), [(0o555, "write", "write in"), (0o311, "read", "open")])
def test_a_missing_right_is_named_with_what_to_do(open_directory: Path, mode: int, level: str, words: str) -> None:
    base = open_directory
    base.chmod(mode)

    done = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY, str(base), level],
        env={"PYTHONPATH": str(_SOURCES)},
        capture_output=True,
        text=True,
        check=False,
    )

    success, message, code, hint = json.loads(done.stdout)
    assert not success
    assert f"Cannot {words} {base}: Permission denied" in message
    assert code == "ACCESS"
    assert "Give user id" in hint


def test_no_right_is_asked_for_on_a_file_system_that_nobody_can_write_to(tmp_path: Path) -> None:
    found = failure(OSError(errno.EROFS, ""), "write in", tmp_path, "sink")

    assert found.message == (
        f"Cannot write in {tmp_path}: Read-only file system. Mount it so that it can be written, or choose another "
        "base_path."
    )
    assert (found.tag, found.details["field"]) == ("PermissionDenied", "base_path")
