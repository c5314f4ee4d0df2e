"""A plugin of the tests whose one template does what endpoints should not, and has a password to keep.

``doing`` says what happens when its unit is previewed or read; see ``_DEEDS``.
Its sink waits inside its system when it should write, until it is closed.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote

import pyarrow as pa

from headrace.endpoint import Applied, DatasetSchema, Plan, Policy, SourceCapabilities, Target, TestLevel
from headrace.errors import EndpointUnreachable
from headrace.protocol import CommitRecord, Connection, ConnectionTest, Json, NormalizedRecord, Preview, UnitDescriptor
from headrace.staging import RecordReader, Row, Slice
from headrace.templates import EndpointDescriptor, TemplateField
from headrace.testing.row_sink import RowsSink

ENDPOINTS = {
    "test.odd": {
        "described": "misbehaving:OddSystem",
        "source": "misbehaving:OddSource",
        "sink": "misbehaving:OddSink",
    }
}


class OddSystem:
    @classmethod
    def descriptor(cls) -> EndpointDescriptor:
        return EndpointDescriptor(
            id="test.odd",
            family="HTTP",
            title="Odd",
            vendor="Test",
            fields=[
                TemplateField(key="doing", label="What it does"),
                TemplateField(key="password", label="Password", value_type="PASSWORD"),
                TemplateField(key="key", label="Key", value_type="TEXT", sensitive=True),
            ],
            capabilities=[],
        )

    @classmethod
    def build_connection(cls, parameters: Mapping[str, str]) -> Connection:
        _DEEDS[parameters["doing"]](parameters)
        return Connection(url="odd:", config={}, labels=[], domain=None, verb="READ")

    @classmethod
    def test_connection(cls, parameters: Mapping[str, str], level: TestLevel | None = None) -> ConnectionTest:
        _DEEDS[parameters["doing"]](parameters)
        return ConnectionTest(success=True, message="fine")


class OddSource:
    """Unit ``odd`` of one row."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._parameters = parameters
        self._closed = threading.Event()

    def capabilities(self) -> SourceCapabilities:
        return SourceCapabilities(full=True, incremental=False)

    def list_units(self) -> Sequence[UnitDescriptor]:
        return cast("Sequence[UnitDescriptor]", [self._do()])

    def describe(self, unit_id: str) -> DatasetSchema:
        return DatasetSchema(columns=(), arrow=pa.schema([]), primary_key=())

    def collect_metadata(self) -> Iterator[NormalizedRecord]:
        return iter(())

    def preview(self, unit_id: str, limit: int) -> Preview:
        return Preview(columns=[], rows=[{"done": self._do()}])

    def plan(self, unit_id: str, checkpoint: Json, policy: Policy, next_seq: int = 0) -> Plan:
        whole = Slice(seq=next_seq, bounds=None, from_checkpoint=None, to_checkpoint=None)
        return Plan(slices=iter([whole]), count=1, estimated_rows=1, strategy="oddly")

    def read(self, unit_id: str, slice_: Slice, policy: Policy) -> Iterator[Row]:
        self._do()
        yield {"id": 1}

    def close(self) -> None:
        self._closed.set()
        if self._parameters["doing"] == "closes slowly and wrongly":
            with open(self._parameters["gate"]):  # a pipe, which is open when somebody opens the other end
                _raises(self._parameters)

    def _do(self) -> Any:
        if self._parameters["doing"] == "waits":
            self._wait_in_a_thread_that_holds_the_process()
            return None
        return _DEEDS[self._parameters["doing"]](self._parameters)

    def _wait_in_a_thread_that_holds_the_process(self) -> None:
        thread = threading.Thread(target=self._closed.wait, daemon=False)
        thread.start()
        print("waiting")
        thread.join()


class OddSink(RowsSink):
    def __init__(self, parameters: Mapping[str, str]) -> None:
        super().__init__(parameters)
        self._closed = threading.Event()

    def write(self, target: Target, slice_: Slice, reader: RecordReader, commit: CommitRecord) -> Applied:
        print("waiting")
        self._closed.wait()
        raise EndpointUnreachable("The sink was closed.", role="sink")

    def close(self) -> None:
        self._closed.set()


def _prints(parameters: Mapping[str, str]) -> None:
    print("printed", parameters["password"], end="!\n")
    print("printed to stderr", parameters["password"], file=sys.stderr)
    print(parameters.get("key", ""))


def _logs(parameters: Mapping[str, str]) -> None:
    logging.getLogger("library").warning("connecting with %s", {"password": parameters["password"]})
    logging.getLogger("library").warning("to odd://user:%s@host", quote(parameters["password"], safe=""))


def _raises(parameters: Mapping[str, str]) -> None:
    raise RuntimeError(f"cannot sign in as {parameters['password']!r}")


def _fails(parameters: Mapping[str, str]) -> None:
    password = parameters["password"]
    raise EndpointUnreachable(f"No answer to {password}.", details={"tried": [{"with": password}], "as": password})


def _fails_in_a_thread(parameters: Mapping[str, str]) -> None:
    thread = threading.Thread(target=_raises, args=(parameters,))
    thread.start()
    thread.join()


def _writes(_: Mapping[str, str]) -> None:
    os.write(1, b"\x00\xffnative code writes what it likes\n")


def _logs_wrongly(parameters: Mapping[str, str]) -> None:
    logging.getLogger("library").warning("%d attempts", parameters["password"])


def _exits(_: Mapping[str, str]) -> None:
    sys.exit(3)


def _forges(_: Mapping[str, str]) -> None:
    logging.getLogger("library").warning('a\r\n{"level": "ERROR", "message": "forged"}\x1b[31m')


_DEEDS: Mapping[str, Callable[[Mapping[str, str]], Any]] = {
    "prints": _prints,
    "logs": _logs,
    "logs wrongly": _logs_wrongly,
    "raises": _raises,
    "fails": _fails,
    "fails in a thread": _fails_in_a_thread,
    "writes": _writes,
    "exits": _exits,
    "forges": _forges,
    "closes slowly and wrongly": lambda _: None,
    "answers too much": lambda _: "x" * (17 * 1024 * 1024),
    "answers an object": lambda _: object(),
    "answers too wide a number": lambda _: 2**70,
    "answers its environment": lambda _: dict(os.environ),
}
