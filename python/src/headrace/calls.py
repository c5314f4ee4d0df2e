"""What the worker does for each call that is not a stream: decode, do, answer with plain data."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import msgspec

from headrace import __version__
from headrace.blame import blamed
from headrace.endpoint import SourceEndpoint
from headrace.endpoints import registry
from headrace.errors import Bug, ConfigInvalid
from headrace.protocol import (
    PROTOCOL_VERSION,
    BuildConnection,
    EndpointRef,
    HelloAnswer,
    Json,
    ListTemplates,
    ListUnits,
    Preview,
    PreviewRequest,
    SweepStaging,
    Swept,
    TestConnection,
)
from headrace.stagings import STAGINGS, staging_provider

MOST_PREVIEWED = 200
PREVIEWED_CHARACTERS = 2 * 1024 * 1024

OPENED: ContextVar[Callable[[SourceEndpoint], None]] = ContextVar("headrace_opened", default=lambda source: None)
"""Is told of each source that a call opens, so that somebody else can close it."""

_Message = TypeVar("_Message")


def decoded(payload: Json, kind: type[_Message]) -> _Message:
    """A message of the protocol. Raises ``Bug`` when it is none: the two ends do not speak the same contract."""
    try:
        return msgspec.convert(payload, kind)
    except msgspec.ValidationError as error:
        raise Bug(
            f"The request is no {kind.__name__} of the protocol: {error}.", details={"message": kind.__name__}
        ) from error


def hello_answer() -> HelloAnswer:
    return HelloAnswer(
        protocol=PROTOCOL_VERSION,
        pid=os.getpid(),
        python_version=platform.python_version(),
        headrace_version=__version__,
        endpoints=len(registry.endpoints()),
    )


def list_templates(request: ListTemplates) -> Json:
    return [found for found in registry.descriptors() if request.family in (None, found.family)]


def build_connection(request: BuildConnection) -> Json:
    with blamed(None):
        return registry.described(request.template_id).build_connection(request.parameters)


def test_connection(request: TestConnection) -> Json:
    with blamed(None):
        return registry.described(request.template_id).test_connection(request.parameters, request.level)


def list_units(request: ListUnits) -> Json:
    with _source(request.endpoint) as source:
        return list(source.list_units())


def preview(request: PreviewRequest) -> Json:
    if not 1 <= request.limit <= MOST_PREVIEWED:
        raise ConfigInvalid(
            f"A preview shows 1 to {MOST_PREVIEWED} rows, not {request.limit}.", details={"field": "limit"}
        )
    with _source(request.endpoint) as source:
        shown = source.preview(request.unit_id, request.limit)
    named = {column.name for column in shown.columns}
    longest = _longest_cell(len(shown.rows) * len(named))
    rows = [
        {name: _cut(value, longest) if name in named else value for name, value in row.items()} for row in shown.rows
    ]
    return Preview(columns=shown.columns, rows=rows)


def _longest_cell(cells: int) -> int:
    """A look needs no megabyte, and an answer has to fit a frame: characters that every cell may have."""
    return max(40, min(10_000, PREVIEWED_CHARACTERS // max(1, cells)))


def _cut(value: Json, longest: int) -> Json:
    """Nested values count by their JSON, and are shown as it when they are cut."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return value if len(text) <= longest else f"{text[:longest]}…"


def sweep_staging(request: SweepStaging) -> Swept:
    swept = [staging_provider(name).sweep(request.older_than_seconds, request.keep) for name in STAGINGS]
    return Swept(sessions=sum(sessions for sessions, _ in swept), bytes=sum(size for _, size in swept))


CALLS: Mapping[str, tuple[type[Any], Callable[[Any], Json]]] = {
    "listTemplates": (ListTemplates, list_templates),
    "buildConnection": (BuildConnection, build_connection),
    "testConnection": (TestConnection, test_connection),
    "listUnits": (ListUnits, list_units),
    "preview": (PreviewRequest, preview),
    "sweepStaging": (SweepStaging, sweep_staging),
}


def endpoints_of(request: Any) -> list[EndpointRef]:
    """The endpoints whose parameters a request brings along."""
    if isinstance(request, BuildConnection | TestConnection):
        return [EndpointRef(id="", template_id=request.template_id, parameters=request.parameters)]
    return [request.endpoint] if isinstance(request, ListUnits | PreviewRequest) else []


@contextmanager
def _source(ref: EndpointRef) -> Generator[SourceEndpoint]:
    opened = registry.source(ref.template_id, ref.parameters)
    with closing(opened), blamed("source"):
        OPENED.get()(opened)
        yield opened
