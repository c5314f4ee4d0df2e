"""The template of ``jdbc.postgres``: the form people fill in and what the endpoint can do. Static data."""

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

URL_TEMPLATE = "postgresql://{username}:{password}@{host}:{port}/{database}"

_SSL_MODES = {
    "disable": "Never TLS",
    "allow": "TLS only if the server insists",
    "prefer": "TLS if the server offers it",
    "require": "TLS, whoever the server is",
    "verify-ca": "TLS, with a certificate we trust",
    "verify-full": "TLS, with a certificate we trust for this host",
}

_CAPABILITIES = (
    Capability(key="metadata.collect", label="Collect metadata", description="Schemas, tables, columns, keys"),
    Capability(key="metadata", label="Metadata"),
    Capability(key="metadata.preview", label="Preview rows"),
    Capability(key="preview", label="Preview"),
    Capability(
        key="ingest.full", label="Full ingestion", description="Slices by key, else by pages, from one snapshot"
    ),
    Capability(key="ingest.incremental", label="Incremental ingestion", description="By a cursor column and the key"),
    Capability(key="sink.jdbc", label="Sink", description="Replace, append and merge; each slice lands once"),
    Capability(key="tables", label="Tables"),
    Capability(key="columns", label="Columns"),
)

_PROBING = ProbingPlan(
    methods=[
        ProbingMethod(
            key="pg_setting_server_version",
            label="Setting server_version",
            strategy="SQL",
            statement="show server_version",
            description="The version as the server is configured to say it",
            requires=["host", "port", "database", "username"],
            returns_version=True,
        ),
        ProbingMethod(
            key="pg_version_function",
            label="Function version()",
            strategy="SQL",
            statement="select version()",
            description="The version with its build",
            requires=["host", "port", "database", "username"],
            returns_version=True,
        ),
    ],
    fallback_message="The server did not say its version; choose one by hand in version_hint.",
)


def descriptor() -> EndpointDescriptor:
    return EndpointDescriptor(
        id="jdbc.postgres",
        family="JDBC",
        title="PostgreSQL",
        vendor="Postgres",
        description="Read tables and views of a PostgreSQL database, or store rows in it.",
        domain="database.postgres",
        driver="adbc-driver-postgresql, psycopg",
        docs_url="https://www.postgresql.org/docs/current/",
        agent_prompt="Ask for host, port, database, user and password; for a sink also for the schema to write to.",
        descriptor_version="1.0",
        min_version="14",
        max_version="18",
        categories=["database", "relational"],
        protocols=["postgresql"],
        versions=["14", "15", "16", "17", "18"],
        default_port=5432,
        default_labels=["postgres", "jdbc"],
        fields=[*_where(), *_who(), *_tls(), *_advanced()],
        capabilities=list(_CAPABILITIES),
        sample_config={
            "templateId": "jdbc.postgres",
            "parameters": {"host": "db.example.org", "port": "5432", "database": "shop", "username": "reader"},
        },
        connection=ConnectionTemplate(url_template=URL_TEMPLATE, default_verb="POST"),
        probing=_PROBING,
    )


def _where() -> list[TemplateField]:
    return [
        TemplateField(
            key="host",
            label="Host",
            required=True,
            value_type="HOSTNAME",
            semantic="HOST",
            placeholder="db.example.org",
            help_text="A folder that begins with / is taken as the place of a Unix socket.",
        ),
        TemplateField(
            key="port",
            label="Port",
            required=True,
            value_type="PORT",
            semantic="PORT",
            default_value="5432",
            min=1,
            max=65535,
        ),
        TemplateField(key="database", label="Database", required=True, semantic="DATABASE"),
    ]


def _who() -> list[TemplateField]:
    return [
        TemplateField(key="username", label="User", required=True, semantic="USERNAME"),
        TemplateField(
            key="password", label="Password", required=True, value_type="PASSWORD", semantic="PASSWORD", sensitive=True
        ),
        TemplateField(
            key="schemas",
            label="Schemas",
            value_type="LIST",
            semantic="SCHEMA",
            placeholder="public, sales",
            help_text="As a source: only these are read. As a sink: rows go to the first.",
        ),
        TemplateField(key="version_hint", label="Version", placeholder="18", advanced=True),
        TemplateField(
            key="role", label="Role", semantic="ROLE", advanced=True, help_text="SET ROLE right after signing in."
        ),
        TemplateField(key="application_name", label="Application name", advanced=True),
    ]


def _tls() -> list[TemplateField]:
    verified = [VisibilityRule(field="ssl_mode", values=["verify-ca", "verify-full"])]
    encrypted = [VisibilityRule(field="ssl_mode", values=["require", "verify-ca", "verify-full"])]
    options = [FieldOption(label=mode, value=mode, description=text) for mode, text in _SSL_MODES.items()]
    return [
        TemplateField(key="ssl_mode", label="TLS", value_type="ENUM", options=options, default_value="prefer"),
        TemplateField(key="ssl_root_cert", label="CA file", semantic="FILE_PATH", visible_when=verified),
        TemplateField(key="ssl_client_cert", label="Client certificate", semantic="FILE_PATH", visible_when=encrypted),
        TemplateField(
            key="ssl_client_key", label="Client key", semantic="FILE_PATH", sensitive=True, visible_when=encrypted
        ),
    ]


def _advanced() -> list[TemplateField]:
    return [
        TemplateField(
            key="connect_timeout_ms",
            label="Connect timeout (ms)",
            value_type="NUMBER",
            default_value="10000",
            min=1,
            advanced=True,
        ),
        TemplateField(
            key="statement_timeout_ms",
            label="Statement timeout (ms)",
            value_type="NUMBER",
            default_value="0",
            min=0,
            advanced=True,
            help_text="0 means none.",
        ),
        TemplateField(
            key="additional_parameters",
            label="Additional parameters",
            value_type="JSON",
            advanced=True,
            help_text='Further libpq settings, such as {"keepalives_idle": "30"}.',
        ),
    ]
