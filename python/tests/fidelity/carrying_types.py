"""One run of the whole corpus from an origin to a place, and what became of every column."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from carrying import Watching, unit_run
from fidelity.contract import KEY, Origin, Place
from fidelity.meanings import how

from headrace.errors import DataPlaneError, problem
from headrace.protocol import Problem
from headrace.run import run_unit
from headrace.setting_aside import OFFER
from headrace.staging import StagingProvider

_PATH = re.compile(r"/\S+/(?=everything)")
"""Where a file of a test lies, which is elsewhere every time."""


@dataclass(frozen=True)
class Outcome:
    """``how`` a column arrives, as which ``type``; or that it is ``refused``, by which error, and what is ``said``."""

    how: str
    type: str = ""
    error: str = ""
    said: str = ""

    def recorded(self) -> Mapping[str, str]:
        return {key: value for key, value in asdict(self).items() if value}


@dataclass(frozen=True)
class Carried:
    outcomes: Mapping[str, Outcome]
    changed: Mapping[str, tuple[Any, Any]]
    """Of each column that arrived otherwise than it left, the first such value, before and after."""
    place: Place


def carried(
    origin: Origin, places: Callable[[], Place], staging: StagingProvider, without: Collection[str] = ()
) -> Carried:
    """What is refused is left out, by the column that the error names, until everything else has arrived."""
    columns = [name for name in origin.columns() if name not in without]
    refused: dict[str, Outcome] = {}
    while True:
        place = places()
        error = _run(origin, place, staging, [name for name in columns if name not in refused])
        if error is None:
            return _compared(origin, place, [name for name in columns if name not in refused], refused)
        name = str(error.details.get("column"))
        assert name in origin.columns() and name not in refused, f"{error.tag} names no column: {error.message}"
        refused[name] = Outcome("refused", error=error.tag, said=_PATH.sub("", error.message).removesuffix(OFFER))


def _run(origin: Origin, place: Place, staging: StagingProvider, columns: Sequence[str]) -> Problem | None:
    """What ended the run."""
    run = unit_run(origin.unit_id, sink_id="lake", policy={"mode": "full", "columns": [KEY, *columns], **origin.policy})
    with closing(origin.open(columns)) as source, closing(place.open()) as sink:
        try:
            errors = run_unit(run, source, sink, staging, Watching()).errors
        except DataPlaneError as error:
            return problem(error)
    return errors[0] if errors else None


def _compared(origin: Origin, place: Place, columns: Sequence[str], refused: Mapping[str, Outcome]) -> Carried:
    meanings = {name: origin.columns()[name] for name in columns}
    told, found = origin.told(list(meanings)), place.found()
    outcomes = {
        name: Outcome(how(meaning, found[name].meaning), found[name].type) for name, meaning in meanings.items()
    }
    changed = {
        name: next(pair for pair in zip(told[name], found[name].values, strict=True) if pair[0] != pair[1])
        for name in meanings
        if list(told[name]) != list(found[name].values)
    }
    became = {**outcomes, **refused}
    return Carried({name: became[name] for name in origin.columns() if name in became}, changed, place)
