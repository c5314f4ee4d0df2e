"""Columns that ``column_types`` names and that no file has, which are mistyped and would be text without a word.

The parameter is of the whole place, so a column that one file lacks may be
another's; of JSON lines nobody knows which columns are still to come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from headrace.endpoints.sources.files_names import Named
from headrace.endpoints.sources.files_shape import PartLike, UnitLike
from headrace.errors import ConfigInvalid, DataPlaneError
from headrace.suggestions import did_you_mean

_MOST_OPENED = 200
"""Of a place with more files than this nobody says that a column is in none of them."""

ColumnsOf = Callable[[str], set[str]]
"""Of the unit of this id. Raises what opening it raises."""


def refuse_unknown_types(
    unit: UnitLike[PartLike], types: Iterable[str], units: Callable[[], Sequence[Named]], columns_of: ColumnsOf
) -> None:
    """Raises ``ConfigInvalid`` for a column that neither the unit nor another file of the place has."""
    named = list(types)
    known = columns_of(unit.unit_id) if unit.format == "csv" and named else set[str]()
    nowhere = _nowhere(set(named) - known, units, columns_of) if known else set[str]()
    if not nowhere:
        return
    name = next(name for name in named if name in nowhere)
    raise ConfigInvalid(
        f"column_types names the column {name}, which {unit.unit_id} does not have."
        f"{did_you_mean(name, known) or f' It has {_listed(known)}.'}",
        role="source",
        details={"field": "column_types", "column": name},
    )


def _nowhere(names: set[str], units: Callable[[], Sequence[Named]], columns_of: ColumnsOf) -> set[str]:
    """Those that no file of the place has; none where that cannot be known."""
    if not names:
        return names
    texts = [unit for unit in units() if unit.kind == "file" and unit.format in ("csv", "jsonl")]
    if len(texts) > _MOST_OPENED or any(unit.format == "jsonl" for unit in texts):
        return set()
    try:
        return names.difference(*(columns_of(unit.unit_id) for unit in texts))
    except DataPlaneError:  # it says why when it is read
        return set()


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)[:20])
