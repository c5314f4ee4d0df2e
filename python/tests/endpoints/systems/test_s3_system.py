"""The ``object.s3`` template: what is wrong is named, no secret is shown, and a connection test says what it found."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from s3_servers import fresh_prefix, s3_server

from headrace.endpoint import TestLevel
from headrace.endpoints.systems.s3 import S3System
from headrace.errors import ConfigInvalid

on_a_server = pytest.mark.s3_server
KEYS = {"access_key_id": "key", "secret_access_key": "hunter2"}


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({}, "bucket"),
        ({"bucket": "a b"}, "bucket"),
        ({"bucket": "lake", "base_prefix": "a/../b"}, "base_prefix"),
        ({"bucket": "lake", "endpoint_url": "ftp://store"}, "endpoint_url"),
        ({"bucket": "lake", "endpoint_url": "http://app:hunter2@store"}, "endpoint_url"),
        ({"bucket": "lake", "use_ssl": "maybe"}, "use_ssl"),
        ({"bucket": "lake", "endpoint_url": "http://store", "use_ssl": "true"}, "use_ssl"),
        ({"bucket": "lake", "access_key_id": "key"}, "secret_access_key"),
        ({"bucket": "lake", "format": "avro"}, "format"),
        ({"bucket": "lake", "compression": "lzo"}, "compression"),
    ],
)
def test_a_wrong_parameter_is_named_and_no_secret_repeated(parameters: dict[str, str], field: str) -> None:
    with pytest.raises(ConfigInvalid) as refusal:
        S3System.build_connection(parameters)
    tested = S3System.test_connection(parameters)

    assert refusal.value.details["field"] == field
    assert (tested.success, tested.diagnostics[0].field, tested.details) == (False, field, {"step": "parameters"})
    assert "hunter2" not in refusal.value.message + tested.message


def test_a_connection_shows_where_and_no_secret() -> None:
    connection = S3System.build_connection({"bucket": "lake", "base_prefix": "/raw/", **KEYS})

    assert connection.url == "s3://lake/raw"
    assert connection.config["parameters"] == {"bucket": "lake", "base_prefix": "/raw/", "access_key_id": "key"}


@pytest.mark.parametrize(
    ("said", "endpoint"),
    [
        ({"endpoint_url": "store:9000"}, "https://store:9000"),
        ({"endpoint_url": "store:9000", "use_ssl": "false"}, "http://store:9000"),
        ({"endpoint_url": "http://store:9000/"}, "http://store:9000"),
    ],
)
def test_a_server_may_be_written_without_its_scheme(said: dict[str, str], endpoint: str) -> None:
    from headrace.endpoints.systems.s3 import S3Config

    assert S3Config.parse({"bucket": "lake", **said}).address.endpoint == endpoint


def test_the_template_is_shown_without_its_library() -> None:
    probe = (
        "import sys; sys.modules['obstore'] = None\n"
        "from headrace.endpoints import registry\n"
        "print('object.s3' in [each.id for each in registry.descriptors()])\n"
        "tested = registry.described('object.s3').test_connection({'bucket': 'lake'})\n"
        "print(tested.message)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "HEADRACE_PLUGINS"}
    command = [sys.executable, "-c", probe]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert said.startswith("True\n")
    assert "pip install 'headrace[s3]'" in said


@on_a_server
@pytest.mark.parametrize("level", ["connect", "read", "write"])
@pytest.mark.parametrize(("name", "delivery"), [("seaweedfs", "B"), ("versitygw", "B"), ("ignores conditions", "C")])
def test_a_connection_that_works_says_so_and_leaves_nothing(level: TestLevel, name: str, delivery: str) -> None:
    server, prefix = s3_server(name), fresh_prefix()

    tested = S3System.test_connection(server.parameters(prefix), level)

    assert tested.success
    assert tested.details.get("delivery") == (delivery if level == "write" else None)
    assert [each.code for each in tested.diagnostics if each.level == "WARN"] == {
        ("read", "B"): ["EMPTY"],
        ("read", "C"): ["EMPTY"],
        ("write", "C"): ["NO_CONDITIONS"],
    }.get((level, delivery), [])
    assert s3_server("seaweedfs").keys(prefix) == []


@on_a_server
@pytest.mark.parametrize(
    ("changes", "step", "field"),
    [
        ({"secret_access_key": "hunter2"}, "sign-in", "access_key_id"),
        ({"bucket": "no-such-bucket"}, "bucket", "bucket"),
        ({"endpoint_url": "http://127.0.0.1:1"}, "connect", "endpoint_url"),
    ],
)
def test_a_connection_that_does_not_work_says_at_which_step_and_what_to_do(
    changes: dict[str, Any], step: str, field: str
) -> None:
    tested = S3System.test_connection({**s3_server().parameters(), **changes}, "write")

    assert (tested.success, tested.details, tested.diagnostics[0].field) == (False, {"step": step}, field)
    assert tested.diagnostics[0].hint
    assert "hunter2" not in tested.message
