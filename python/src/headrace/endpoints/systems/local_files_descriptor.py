"""The ``file.local`` template as data: what a person may set, and what the endpoint can do."""

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
        key="base_path",
        label="Directory",
        required=True,
        semantic="FILE_PATH",
        description="Where the files are, or where they should be written.",
        placeholder="/data/lake",
        help_text="A source may be a single file. A sink creates the directory and makes one a unit below it.",
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
    TemplateField(
        key="partition_by",
        label="Partition by",
        placeholder="country,day",
        help_text=(
            "Columns, separated by commas: a sink puts the rows of each value in a folder of their own, such as "
            "country=NZ, and readers skip those they do not want. Texts, integers, dates, true or false."
        ),
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
        description="Of a text file that grows, of files that arrive in the order of their names, of what a sink adds.",
    ),
    Capability(
        key="sink.file",
        label="Write Parquet files",
        description="Each slice lands once, as one directory that appears whole.",
    ),
]

DESCRIPTOR = EndpointDescriptor(
    id="file.local",
    family="FILE",
    title="Local files",
    vendor="Local",
    description="Files of a directory as a source (Parquet, CSV, JSON lines, Arrow); Parquet files as a sink.",
    domain="file.local",
    driver="pyarrow",
    docs_url="docs/ENDPOINTS.md#filelocal",
    agent_prompt=(
        "Ask for the directory. As a source each file is a unit, and so is a directory that Headrace wrote, or a "
        "pattern such as events/*.jsonl; as a sink each unit becomes a directory of Parquet files."
    ),
    descriptor_version="1",
    min_version="1",
    max_version="1",
    categories=["file"],
    protocols=["file"],
    versions=["1"],
    default_labels=["file", "local"],
    sample_config={"base_path": "/data/lake"},
    fields=_FIELDS,
    capabilities=_CAPABILITIES,
    connection=ConnectionTemplate(url_template="file://{base_path}", default_verb="READ"),
    probing=ProbingPlan(
        methods=[
            ProbingMethod(
                key="file_directory",
                label="Open the directory",
                strategy="FILE",
                description="Opens the directory; for a sink, takes a slot twice and expects the second to fail.",
                requires=["base_path"],
                returns_capabilities=["sink.file"],
            )
        ],
        fallback_message="The directory could not be opened.",
    ),
)
