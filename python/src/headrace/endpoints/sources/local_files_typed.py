"""Columns that ``column_types`` names and that no file has, which are mistyped and would be text without a word.

The parameter is of the whole folder, so a column that one file lacks may be
another's; of JSON lines nobody knows which columns are still to come.
"""

from __future__ import annotations

from collections.abc import Iterable

from headrace.endpoints.sources.local_files_open import shape
from headrace.endpoints.sources.local_files_units import Named, Unit, find, units
from headrace.endpoints.systems.local_files import LocalFilesConfig
from headrace.errors import ConfigInvalid, DataPlaneError
from headrace.suggestions import did_you_mean

_MOST_OPENED = 200
"""Of a folder with more files than this nobody says that a column is in none of them."""


def refuse_unknown_types(config: LocalFilesConfig, unit: Unit) -> None:
    """Raises ``ConfigInvalid`` for a column that neither the unit nor another file of the folder has."""
    known = _columns(config, unit) if unit.format == "csv" and config.column_types else set[str]()
    nowhere = _nowhere(config, set(config.column_types) - known) if known else set[str]()
    if not nowhere:
        return
    name = next(name for name in config.column_types if name in nowhere)
    raise ConfigInvalid(
        f"column_types names the column {name}, which {unit.unit_id} does not have."
        f"{did_you_mean(name, known) or f' It has {_listed(known)}.'}",
        role="source",
        details={"field": "column_types", "column": name},
    )


def _nowhere(config: LocalFilesConfig, names: set[str]) -> set[str]:
    """Those that no file of the folder has; none where that cannot be known."""
    if not names:
        return names
    texts = [unit for unit in units(config) if unit.kind == "file" and unit.format in ("csv", "jsonl")]
    if len(texts) > _MOST_OPENED or any(unit.format == "jsonl" for unit in texts):
        return set()
    try:
        return names.difference(*(_columns(config, unit) for unit in texts))
    except DataPlaneError:  # it says why when it is read
        return set()


def _columns(config: LocalFilesConfig, unit: Named) -> set[str]:
    return {column.name for column in shape(config, find(config, unit.unit_id)).columns}


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)[:20])
