"""What an endpoint says of itself: the control plane calls it a template, and shows it as a form."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from headrace.protocol import Family, Json, Word


class FieldOption(Word):
    label: str
    value: str
    description: str | None = None


class VisibilityRule(Word):
    field: str
    values: list[str]


class TemplateField(Word):
    key: str
    label: str
    required: bool = False
    value_type: Literal[
        "STRING",
        "PASSWORD",
        "NUMBER",
        "BOOLEAN",
        "URL",
        "HOSTNAME",
        "PORT",
        "JSON",
        "ENUM",
        "LIST",
        "TEXT",
    ] = "STRING"
    semantic: (
        Literal[
            "HOST", "PORT", "DATABASE", "USERNAME", "PASSWORD", "API_TOKEN", "PROJECT", "SCHEMA",
            "TABLE", "WAREHOUSE", "ROLE", "ENVIRONMENT", "CLUSTER", "TOPIC", "GENERIC", "FILE_PATH",
        ]
        | None
    ) = None  # fmt: skip
    description: str | None = None
    placeholder: str | None = None
    help_text: str | None = None
    options: list[FieldOption] | None = None
    regex: str | None = None
    min: int | None = None
    max: int | None = None
    default_value: str | None = None
    advanced: bool = False
    sensitive: bool = False
    depends_on: str | None = None
    depends_value: str | None = None
    visible_when: list[VisibilityRule] | None = None


class Capability(Word):
    key: str
    label: str
    description: str | None = None


class ConnectionTemplate(Word):
    url_template: str | None = None
    default_verb: str | None = None


class ProbingMethod(Word):
    key: str
    label: str
    strategy: str
    statement: str | None = None
    description: str | None = None
    requires: list[str] = field(default_factory=list[str])
    returns_version: bool = False
    returns_capabilities: list[str] = field(default_factory=list[str])


class ProbingPlan(Word):
    methods: list[ProbingMethod]
    fallback_message: str | None = None


class EndpointDescriptor(Word):
    """What the control plane calls an endpoint template."""

    id: str
    family: Family
    title: str
    vendor: str
    fields: list[TemplateField]
    capabilities: list[Capability]
    description: str | None = None
    domain: str | None = None
    driver: str | None = None
    docs_url: str | None = None
    agent_prompt: str | None = None
    descriptor_version: str | None = None
    min_version: str | None = None
    max_version: str | None = None
    categories: list[str] = field(default_factory=list[str])
    protocols: list[str] = field(default_factory=list[str])
    versions: list[str] = field(default_factory=list[str])
    default_port: int | None = None
    default_labels: list[str] = field(default_factory=list[str])
    sample_config: dict[str, Json] | None = None
    connection: ConnectionTemplate | None = None
    probing: ProbingPlan | None = None
