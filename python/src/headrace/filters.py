"""The policy's ``filter``: which rows are wanted, as a small tree of comparisons, and never as text of a query.

Each object has one key, which says what it does: ``{"eq": ["status", "open"]}``
and ``ne``, ``lt``, ``le``, ``gt``, ``ge`` compare a column with a literal,
``{"in": ["id", [1, 2]]}`` with several, ``{"isNull": "note"}`` asks whether it
has a value; ``and``, ``or`` and ``not`` join them. What is said of a NULL is
unknown, as in SQL, and a row of which the whole is unknown is not wanted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast, get_args
from typing import Literal as Word

from headrace.errors import ConfigInvalid
from headrace.protocol import Json
from headrace.suggestions import did_you_mean, nearest

Literal: TypeAlias = bool | int | float | str
Operator: TypeAlias = Word["eq", "ne", "lt", "le", "gt", "ge"]

MOST_PARTS, DEEPEST, MOST_VALUES = 1_000, 32, 10_000
"""A tree is walked for every batch, and becomes a statement: neither may grow without bound."""


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Filter


@dataclass(frozen=True, slots=True)
class Compare:
    operator: Operator
    column: str
    value: Literal


@dataclass(frozen=True, slots=True)
class In:
    column: str
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class IsNull:
    column: str


Filter: TypeAlias = And | Or | Not | Compare | In | IsNull

_EXAMPLE = '{"eq": ["status", "open"]}'
_OPERATORS: tuple[str, ...] = get_args(Operator)
_KEYS = (*_OPERATORS, "in", "isNull", "and", "or", "not")


def parse(raw: Json) -> Filter | None:
    """None where nothing is said.

    Raises:
        ConfigInvalid: It is none; the message says where in the tree.
    """
    if raw is None:
        return None
    chosen = _parsed(raw, "filter", 1)
    if sum(1 for _ in parts(chosen)) > MOST_PARTS:
        raise refused(f"it has more than {MOST_PARTS} parts. Put values into one in, or read a view")
    return chosen


def parts(chosen: Filter) -> Iterator[Filter]:
    """The whole and everything in it."""
    yield chosen
    match chosen:
        case And(inner) | Or(inner):
            for part in inner:
                yield from parts(part)
        case Not(part):
            yield from parts(part)
        case _:
            return


def columns(chosen: Filter) -> tuple[str, ...]:
    """The columns it names, each once."""
    named = (part.column for part in parts(chosen) if isinstance(part, Compare | In | IsNull))
    return tuple(dict.fromkeys(named))


def require_columns(chosen: Filter, names: Sequence[str], unit_id: str) -> None:
    """Raises ``ConfigInvalid`` for a column that the unit, or what is read of it, has not."""
    for name in columns(chosen):
        if name not in names:
            raise refused(f"{unit_id} has no column {name} to filter by.{did_you_mean(name, names)}", column=name)


def refused(why: str, *, column: str | None = None) -> ConfigInvalid:
    details: dict[str, Json] = {"field": "policy.filter"} | ({} if column is None else {"column": column})
    return ConfigInvalid(f"The policy's filter is wrong: {why.removesuffix('.')}{_end(why)}", details=details)


def _end(why: str) -> str:
    return "" if why.endswith("?") else "."


def _parsed(raw: Json, place: str, depth: int) -> Filter:
    if not isinstance(raw, dict) or len(cast("dict[str, Json]", raw)) != 1:
        raise refused(f"at {place} an object with one key is expected, such as {_EXAMPLE}")
    if depth > DEEPEST:
        raise refused(f"it is deeper than {DEEPEST} levels")
    ((key, said),) = cast("dict[str, Json]", raw).items()
    place = f"{place}.{key}"
    match key, said:
        case (("and" | "or"), [_, *_]):
            inner = tuple(
                _parsed(part, f"{place}[{at}]", depth + 1) for at, part in enumerate(cast("list[Json]", said))
            )
            return And(inner) if key == "and" else Or(inner)
        case "not", dict():
            return Not(_parsed(cast(Json, said), place, depth + 1))
        case "isNull", str():
            return IsNull(_column(said, place))
        case "in", [column, [_, *_] as values]:
            return In(_column(column, place), _values(cast("list[Json]", values), place))
        case _, [column, value] if key in _OPERATORS:
            return Compare(cast(Operator, key), _column(column, place), _literal(value, place))
        case _:
            raise _misspelled(key, place)


def _misspelled(key: str, place: str) -> ConfigInvalid:
    if key not in _KEYS:
        near = "".join(f" Did you mean {found}?" for found in nearest(key, _KEYS, most=1))
        return refused(f"{place} is none of {', '.join(_KEYS)}.{near}")
    shape = {
        "and": "a list of filters", "or": "a list of filters", "not": "a filter", "isNull": "the name of a column",
        "in": "a column and a list of literals",
    }.get(key, "a column and a literal")  # fmt: skip
    return refused(f"{place} takes {shape}")


def _column(said: Any, place: str) -> str:
    if not isinstance(said, str) or not said:
        raise refused(f"at {place} the name of a column is expected, not {said!r}")
    return said


def _values(said: Sequence[Json], place: str) -> tuple[Literal, ...]:
    if len(said) > MOST_VALUES:
        raise refused(f"{place} has more than {MOST_VALUES} values")
    return tuple(_literal(value, place) for value in said)


def _literal(said: Any, place: str) -> Literal:
    if isinstance(said, bool | int | float | str):
        return said
    hint = "; a NULL is asked for by isNull" if said is None else ""
    raise refused(f"at {place} a text, a number, true or false is expected, not {said!r}{hint}")
