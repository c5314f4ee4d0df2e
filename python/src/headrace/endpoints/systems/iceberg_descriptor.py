"""The ``warehouse.iceberg`` template as data: what a person may set, and what the endpoint can do."""

from __future__ import annotations

from headrace.templates import (
    Capability,
    ConnectionTemplate,
    EndpointDescriptor,
    FieldOption,
    ProbingMethod,
    ProbingPlan,
    TemplateField,
    VisibilityRule,
)

_FIELDS = [
    TemplateField(
        key="catalog_type",
        label="Catalog",
        required=True,
        value_type="ENUM",
        options=[
            FieldOption(label="REST", value="rest", description="A server that speaks Iceberg's REST protocol."),
            FieldOption(label="SQL", value="sql", description="Tables of a PostgreSQL or SQLite database."),
            FieldOption(label="Hive", value="hive", description="Not offered: a metastore has not been tested."),
        ],
        help_text="Who says which metadata file is a table's newest. Every engine that reads has to use the same one.",
    ),
    TemplateField(
        key="catalog_uri",
        label="Address of the catalog",
        required=True,
        value_type="URL",
        placeholder="https://catalog.example.com",
        help_text=(
            "REST: http(s)://host/path. SQL: postgresql://user@host/database, or sqlite:////path/catalog.db. "
            "Passwords go into the token."
        ),
    ),
    TemplateField(
        key="warehouse",
        label="Warehouse",
        semantic="WAREHOUSE",
        placeholder="s3://bucket/lake",
        help_text=(
            "SQL: where tables are kept, a directory or an address of s3, gs or abfs; required. "
            "REST: the warehouse's name, if the server has several."
        ),
    ),
    TemplateField(
        key="namespace",
        label="Namespace",
        semantic="SCHEMA",
        placeholder="raw",
        help_text="Tables go there; it is made when it is missing. Left out: the part of a unit's id before its dot.",
    ),
    TemplateField(
        key="token",
        label="Token or password",
        value_type="PASSWORD",
        semantic="API_TOKEN",
        sensitive=True,
        help_text="REST: the bearer token. SQL: the password of the user in the address.",
        visible_when=[VisibilityRule(field="catalog_type", values=["rest", "sql"])],
    ),
    TemplateField(
        key="additional_properties",
        label="Further properties",
        value_type="JSON",
        advanced=True,
        sensitive=True,
        placeholder='{"s3.endpoint": "https://s3.example.com", "s3.access-key-id": "…", "s3.secret-access-key": "…"}',
        help_text=(
            "Properties of the catalog and of its storage, as PyIceberg names them: s3.*, gcs.*, adls.*, client.*, "
            "header.*, credential, scope, rest.sigv4-enabled and others of a list. name is the catalog's name in a "
            "SQL catalog, unsaid default."
        ),
    ),
]

_CAPABILITIES = [
    Capability(
        key="sink.iceberg",
        label="Write Iceberg tables",
        description="Each slice is one snapshot, which holds its commit record; a replacement appears at once.",
    ),
]

DESCRIPTOR = EndpointDescriptor(
    id="warehouse.iceberg",
    family="WAREHOUSE",
    title="Apache Iceberg",
    vendor="Apache",
    description="Tables of an Iceberg catalog as a sink: append, merge and replace, one table a unit.",
    domain="warehouse.iceberg",
    driver="pyiceberg",
    docs_url="docs/ENDPOINTS.md#warehouseiceberg",
    agent_prompt=(
        "Ask which catalog the readers use (REST or SQL), its address, and for SQL the warehouse. Passwords and tokens "
        "belong into token, keys of the object store into additional_properties."
    ),
    descriptor_version="1",
    min_version="1",
    max_version="1",
    categories=["warehouse", "lakehouse"],
    protocols=["iceberg"],
    versions=["2"],
    default_labels=["iceberg", "warehouse"],
    sample_config={
        "catalog_type": "sql",
        "catalog_uri": "postgresql://headrace@catalog.example.com/iceberg",
        "warehouse": "s3://lake/warehouse",
        "namespace": "raw",
    },
    fields=_FIELDS,
    capabilities=_CAPABILITIES,
    connection=ConnectionTemplate(url_template="iceberg+{catalog_uri}", default_verb="POST"),
    probing=ProbingPlan(
        methods=[
            ProbingMethod(
                key="iceberg_catalog",
                label="Open the catalog",
                strategy="ICEBERG",
                description="Signs in, looks for the namespace, and for a sink writes a file into the warehouse.",
                requires=["catalog_type", "catalog_uri"],
                returns_capabilities=["sink.iceberg"],
            )
        ],
        fallback_message="The catalog could not be opened.",
    ),
)
