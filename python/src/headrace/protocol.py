"""The words of the conversation with the control plane.

Mirrors ``packages/core/src/protocol/Protocol.ts`` and the domain words it uses,
which are the definition: the same names and fields, only the case differs. The
golden transcripts and ``tests/test_protocol.py`` fail when the two drift apart.
What a template says of itself is in ``templates``, what a run says in ``events``.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

Json: TypeAlias = Any
"""None, bool, int within 53 bits, float, str, list or dict with text keys. Wider integers are text."""

Family: TypeAlias = Literal["JDBC", "HTTP", "STREAM", "FILE", "WAREHOUSE"]

PROTOCOL_VERSION = 1


class Word(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """A message or a part of one; camelCase on the wire, snake_case here."""


# ---- calls and answers


class ProtocolRange(Word):
    min: int
    max: int


class Hello(Word):
    protocol: ProtocolRange
    token: str
    contract_fingerprint: str


class HelloAnswer(Word):
    protocol: int
    pid: int
    python_version: str
    headrace_version: str
    endpoints: int


class ListTemplates(Word):
    family: Family | None


class BuildConnection(Word):
    template_id: str
    parameters: dict[str, str]


class Connection(Word):
    url: str
    config: dict[str, Json]
    labels: list[str]
    domain: str | None
    verb: str


class TestConnection(Word):
    __test__ = False  # not a test class, whatever pytest makes of the name

    template_id: str
    parameters: dict[str, str]
    level: Literal["connect", "read", "write"] | None


class Diagnostic(Word):
    level: Literal["INFO", "WARN", "ERROR"]
    code: str
    message: str
    hint: str | None = None
    field: str | None = None


class ConnectionTest(Word):
    success: bool
    message: str
    detected_version: str | None = None
    capabilities: list[str] = []
    details: dict[str, Json] = {}
    diagnostics: list[Diagnostic] = []


class EndpointRef(Word):
    id: str
    template_id: str
    parameters: dict[str, str]


class ListUnits(Word):
    endpoint: EndpointRef


class UnitDescriptor(Word):
    unit_id: str
    kind: str
    display_name: str
    modes: list[Literal["full", "incremental"]]
    primary_key: list[str]
    cursor_candidates: list[str]
    estimated_rows: int | None


class PreviewRequest(Word):
    endpoint: EndpointRef
    unit_id: str
    limit: int


class PreviewColumn(Word):
    name: str
    type: str


class Preview(Word):
    """Values that JSON cannot say exactly (decimals, bytes, times, wide integers) are text."""

    columns: list[PreviewColumn]
    rows: list[dict[str, Json]]


class RunIngestionUnit(Word):
    endpoint_id: str
    unit_id: str
    checkpoint: Json
    policy: dict[str, Json]
    sink_endpoint_id: str | None
    staging_provider_id: str
    tenant: str
    run_id: str
    epoch: int
    generation: int
    next_seq: int
    deadline: str | None
    source: EndpointRef
    sink: EndpointRef | None
    replay: list[str] | None


Verdict: TypeAlias = Literal["commit", "stop", "abort"]


class Decide(Word):
    run_id: str
    slice_seq: int
    batch: int | None
    verdict: Verdict


class SweepStaging(Word):
    older_than_seconds: int
    keep: list[str]


class Swept(Word):
    sessions: int
    bytes: int


# ---- what flows, and what goes wrong


class GraphScope(Word):
    domain_id: str | None = None
    project_id: str | None = None
    team_id: str | None = None


class Provenance(Word):
    endpoint_id: str
    vendor: str
    source_event_id: str | None = None


class NormalizedEdge(Word):
    type: str
    source_logical_id: str
    target_logical_id: str
    properties: dict[str, Json] = {}


class NormalizedRecord(Word):
    entity_type: str
    logical_id: str | None
    display_name: str
    scope: GraphScope
    provenance: Provenance
    phase: str | None = None
    payload: dict[str, Json] = {}
    edges: list[NormalizedEdge] = []


class CommitRecord(Word):
    """What the sink keeps beside the rows to prove which slice it holds. Hashes are lower-case hex."""

    unit: str
    generation: int
    slice_seq: int
    from_ckpt: Json
    to_ckpt: Json
    rows: int
    sha256: str
    epoch: int
    prev_hash: str


ProblemTag: TypeAlias = Literal[
    "EndpointUnreachable", "AuthenticationFailed", "PermissionDenied", "ConfigInvalid", "UnitNotFound",
    "SchemaChanged", "RowRejected", "QuarantineExceeded", "SourceRewound", "SourceReplaced", "Throttled",
    "SinkFenced", "SinkAmbiguous", "SinkFull", "CheckpointAheadOfSink", "StagingFull", "Bug",
]  # fmt: skip
Retry: TypeAlias = Literal["Later", "AfterFix", "Never"]
Role: TypeAlias = Literal["source", "sink", "staging"]


class Problem(Word):
    tag: ProblemTag
    retry: Retry
    role: Role | None
    message: str
    details: dict[str, Json] = {}
