"""The ``object.s3`` template as data: what a person may set, and what the endpoint can do."""

from __future__ import annotations

from headrace.endpoints.systems.files_template import COLUMN_TYPES, CSV, READ_WHOLE
from headrace.templates import (
    Capability,
    ConnectionTemplate,
    EndpointDescriptor,
    FieldOption,
    ProbingMethod,
    ProbingPlan,
    TemplateField,
)

_FIELDS = [
    TemplateField(
        key="endpoint_url",
        label="Server",
        value_type="URL",
        semantic="HOST",
        description="Address of the S3 server. Left out: Amazon's own of the region.",
        placeholder="https://s3.example.com",
    ),
    TemplateField(
        key="region",
        label="Region",
        default_value="us-east-1",
        help_text="Servers of one's own mostly take any.",
    ),
    TemplateField(
        key="use_ssl",
        label="Use TLS",
        value_type="BOOLEAN",
        help_text="Of a server that is written without https:// or http://. Left out: yes.",
        advanced=True,
    ),
    TemplateField(
        key="access_key_id",
        label="Access key",
        help_text="Left out, with the secret: the role of the worker's machine.",
    ),
    TemplateField(
        key="secret_access_key",
        label="Secret key",
        value_type="PASSWORD",
        semantic="PASSWORD",
        sensitive=True,
    ),
    TemplateField(
        key="bucket",
        label="Bucket",
        required=True,
        placeholder="lake",
    ),
    TemplateField(
        key="base_prefix",
        label="Prefix",
        semantic="FILE_PATH",
        placeholder="raw/shop",
        help_text="Where in the bucket the objects are, or where they should be written. Left out: all of it.",
    ),
    TemplateField(
        key="format",
        label="Format",
        value_type="ENUM",
        options=[
            FieldOption(label="Parquet", value="parquet"),
            FieldOption(label="CSV", value="csv", description="RFC 4180, UTF-8, first line is the header. Read only."),
            FieldOption(label="JSON lines", value="jsonl", description="One object a line, UTF-8. Read only."),
            FieldOption(label="Arrow", value="arrow", description="Arrow IPC files (Feather version 2). Read only."),
        ],
        help_text="Left out, a source goes by the ending of each name. A sink writes Parquet.",
    ),
    TemplateField(
        key="compression",
        label="Compression",
        value_type="ENUM",
        default_value="snappy",
        options=[FieldOption(label=name, value=name) for name in ("snappy", "zstd", "gzip", "none")],
        help_text="How the Parquet files of a sink are compressed.",
        advanced=True,
    ),
    *CSV,
    COLUMN_TYPES,
]

_CAPABILITIES = [
    *READ_WHOLE,
    Capability(
        key="ingest.incremental",
        label="Read new rows",
        description="Of objects that came since, and of what a sink adds.",
    ),
    Capability(
        key="sink.object",
        label="Write Parquet objects",
        description="Each slice lands once, where the server keeps conditions on a write.",
    ),
]

DESCRIPTOR = EndpointDescriptor(
    id="object.s3",
    family="FILE",
    title="S3",
    vendor="S3",
    description=(
        "Objects of a bucket of Amazon S3, or of any server that speaks its protocol, as a source (Parquet, CSV, JSON "
        "lines, Arrow); Parquet objects as a sink."
    ),
    domain="object.s3",
    driver="obstore",
    docs_url="docs/ENDPOINTS.md#objects3",
    agent_prompt=(
        "Ask for the bucket and the prefix in it, for the address of the server unless it is Amazon's, and for the two "
        "keys unless the machine has a role. As a source each object is a unit, and so is a prefix that Headrace "
        "wrote, or a pattern such as events/*.jsonl; as a sink each unit becomes a prefix of Parquet objects."
    ),
    descriptor_version="1",
    min_version="1",
    max_version="1",
    categories=["file"],
    protocols=["s3"],
    versions=["1"],
    default_labels=["file", "s3"],
    sample_config={"endpoint_url": "https://s3.example.com", "bucket": "lake", "base_prefix": "raw/shop"},
    fields=_FIELDS,
    capabilities=_CAPABILITIES,
    connection=ConnectionTemplate(url_template="s3://{bucket}/{base_prefix}", default_verb="READ"),
    probing=ProbingPlan(
        methods=[
            ProbingMethod(
                key="s3_list",
                label="List the bucket",
                strategy="FILE",
                description="Lists below the prefix; for a sink, creates an object twice, and the second must fail.",
                requires=["bucket"],
                returns_capabilities=["sink.object"],
            )
        ],
        fallback_message="The bucket could not be listed.",
    ),
)
