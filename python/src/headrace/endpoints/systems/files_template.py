"""What the templates of files say alike, wherever the files lie."""

from __future__ import annotations

from headrace.templates import Capability, TemplateField

CSV = [
    TemplateField(
        key="delimiter",
        label="CSV delimiter",
        placeholder=",",
        help_text=(
            "One character, or 'tab'. Left out: a comma; where the first line has none, a semicolon, tab or bar that "
            "it has; a tab by the ending .tsv."
        ),
        advanced=True,
    ),
    TemplateField(
        key="header",
        label="CSV header",
        value_type="BOOLEAN",
        default_value="true",
        help_text="Off where the first line is a row: columns are then called column_1, column_2 and so on.",
        advanced=True,
    ),
]

COLUMN_TYPES = TemplateField(
    key="column_types",
    label="Column types",
    value_type="JSON",
    placeholder='{"zip": "string", "price": "decimal(12,2)"}',
    help_text=(
        "CSV columns are text, and JSON columns what their values are, unless this says: string, int8 to int64, "
        "double, decimal(p,s), bool, date, timestamp, timestamptz, json. What a type cannot hold is refused."
    ),
    advanced=True,
)

READ_WHOLE = (
    Capability(key="metadata.collect", label="Collect metadata"),
    Capability(key="metadata", label="Metadata"),
    Capability(key="metadata.preview", label="Preview rows"),
    Capability(key="preview", label="Preview"),
    Capability(key="ingest.full", label="Read all rows"),
)
"""What reading can do, but for what is new: that depends on where the files lie."""
