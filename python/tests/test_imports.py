"""Who may import whom in the data plane, executed.

A row names the places of ours and the libraries that its modules may import;
everybody may import the standard library. A module without a row fails too.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "headrace"
MODULES = sorted(PACKAGE.rglob("*.py"))

CONTRACTS = {"protocol", "templates", "events", "errors", "staging", "endpoint", "abilities", "refusals"}
CARRYING = CONTRACTS | {"commit", "observer", "policy", "records"}
ARROW = {"msgspec", "pyarrow"}

ALLOWED: dict[str, tuple[set[str], set[str]]] = {
    # the words and the contracts
    "__init__": (set(), set()),
    "contract": (set(), set()),
    "protocol": (set(), {"msgspec"}),
    "templates": ({"protocol"}, {"msgspec"}),
    "events": ({"protocol"}, set()),
    "frames": (set(), {"msgspec"}),
    "errors": ({"protocol"}, set()),
    "staging": ({"protocol"}, {"pyarrow"}),
    "refusals": (set(), {"pyarrow"}),
    "endpoint": ({"protocol", "templates", "staging", "refusals"}, {"pyarrow"}),
    "abilities": ({"protocol", "staging", "refusals", "endpoint"}, {"pyarrow"}),
    "observer": ({"protocol", "events"}, set()),
    "suggestions": (set(), set()),
    "filters": (CONTRACTS | {"suggestions"}, set()),
    "literals": (CONTRACTS | {"filters"}, set()),
    "policy": (CONTRACTS | {"suggestions", "filters"}, set()),
    "commit": (CONTRACTS, {"msgspec"}),
    "footers": ({"__init__"}, set()),
    "parting": (CONTRACTS, {"pyarrow"}),
    "weights": (set(), {"pyarrow"}),
    "fitting": (set(), {"pyarrow"}),
    # what every staging provider shares
    "rowtypes": (set(), {"pyarrow"}),
    "rows": (CONTRACTS | {"rowtypes"}, {"pyarrow"}),
    "seals": (CONTRACTS, {"pyarrow"}),
    "session_files": (CONTRACTS, {"pyarrow"}),
    "objects": (CONTRACTS, {"obstore"}),
    "sessions": (CONTRACTS | {"rows", "seals"}, {"pyarrow"}),
    "stagings": (CONTRACTS | {"session_files", "objects", "sessions"}, ARROW),
    # endpoints; their libraries are their family's
    "previews": (CONTRACTS, {"pyarrow"}),
    "sifting": (CONTRACTS | {"fitting", "parting", "rows", "seals"}, {"pyarrow"}),
    "payloads": (CONTRACTS | {"previews", "seals"}, {"pyarrow"}),
    "datasets": (CONTRACTS, set()),
    "source_policy": (CONTRACTS, set()),
    "systems": (CONTRACTS | {"objects", "commit", "rowtypes", "suggestions"}, ARROW),
    "sources": (
        CONTRACTS
        | {"objects", "systems", "commit", "rowtypes", "suggestions", "previews", "datasets", "source_policy"}
        | {"parting", "sifting", "filters", "literals"},
        ARROW,
    ),
    "sinks": (CONTRACTS | {"objects", "systems", "commit", "footers", "rowtypes", "parting", "sifting"}, ARROW),
    "registry": (CONTRACTS | {"systems", "sources", "sinks"}, set()),
    "keydiff": (CONTRACTS, {"pyarrow"}),
    "replaying": (CONTRACTS | {"keydiff", "payloads", "source_policy"}, {"pyarrow"}),
    # the steps of a run
    "deletions": (CONTRACTS | {"policy"}, {"pyarrow"}),
    "records": (CONTRACTS | {"rowtypes"}, ARROW),
    "setting_aside": (CARRYING | {"rows", "weights"}, {"pyarrow"}),
    "filtering": (CONTRACTS | {"filters", "literals", "rows"}, {"pyarrow"}),
    "exporting": (
        CARRYING | {"deletions", "filtering", "parting", "sifting", "payloads", "setting_aside"},
        {"pyarrow"},
    ),
    "negotiation": (CARRYING | {"footers"}, set()),
    "importing": (CARRYING | {"deletions"}, {"pyarrow"}),
    "loading": (CARRYING | {"importing"}, {"pyarrow"}),
    "saying": (CARRYING | {"exporting", "importing"}, {"msgspec"}),
    "tally": (CARRYING | {"exporting"}, set()),
    "ahead": (CARRYING | {"exporting"}, set()),
    "blame": (CONTRACTS, set()),
    "loading_rows": (CARRYING | {"blame", "importing"}, set()),
    "itself": (CONTRACTS | {"blame"}, set()),
    "gone": (CARRYING | {"keydiff"}, {"pyarrow"}),
    "judging": (
        CARRYING | {"ahead", "deletions", "exporting", "importing", "fitting", "sifting", "payloads"},
        {"pyarrow"},
    ),
    "run": (
        CARRYING
        | {
            "ahead",
            "blame",
            "deletions",
            "exporting",
            "filtering",
            "gone",
            "importing",
            "judging",
            "loading",
            "loading_rows",
        }
        | {"itself", "negotiation", "saying", "setting_aside", "tally"},
        set(),
    ),
    "ingestion": (
        CARRYING
        | {"ahead", "exporting", "importing", "judging", "setting_aside", "tally", "run", "registry", "stagings"},
        {"msgspec"},
    ),
    # what ships for the tests of others
    "testing": (
        CONTRACTS | {"commit", "rowtypes", "fitting", "sifting", "stagings", "registry"},
        ARROW | {"pytest", "hypothesis"},
    ),
    # the worker
    "listening": (set(), set()),
    "logs": (set(), set()),
    "conversation": (CONTRACTS | {"frames"}, set()),
    "redaction": (CONTRACTS | {"registry"}, {"msgspec"}),
    "answers": (CONTRACTS | {"observer", "conversation", "redaction"}, set()),
    "watched_run": (CONTRACTS | {"observer", "frames", "conversation"}, set()),
    "calls": (CONTRACTS | {"__init__", "blame", "registry", "stagings"}, {"msgspec"}),
    "light_call": (CONTRACTS | {"observer", "conversation", "redaction", "answers", "calls"}, set()),
    "heavy_call": (
        CONTRACTS
        | {"run", "ingestion", "registry", "stagings", "conversation", "redaction", "answers", "watched_run", "logs"}
        | {"replaying"},
        set(),
    ),
    "worker": (
        CONTRACTS
        | {"contract", "frames", "listening", "logs", "conversation", "redaction", "answers", "calls"}
        | {"light_call", "heavy_call"},
        set(),
    ),
}

SHARED = "files"
"""What endpoints that keep files share, wherever the files lie."""

FAMILIES: dict[str, set[str]] = {
    SHARED: set(),
    "local_files": set(),
    "postgres": {"adbc_driver_postgresql", "asyncpg", "duckdb", "pgpq", "psycopg"},
    "s3": set(),
    "iceberg": {"pydantic", "pyiceberg", "requests", "sqlalchemy"},
}
"""Systems, and the libraries that their modules may import. A module's name begins with its family's."""

ROLES = ("systems", "sources", "sinks")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_its_place_allows(path: Path) -> None:
    place = _place(_name(path))
    ours, libraries = ALLOWED[place]
    libraries = libraries | (FAMILIES[_family(path)] if place in ROLES and path.stem != "__init__" else set())

    imported = set(_imports(path))

    assert {_place(name) for name in imported if _is_ours(name)} <= ours | {place}
    assert {name.split(".")[0] for name in imported if not _is_ours(name)} <= libraries | sys.stdlib_module_names


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if path.parent.name in ROLES and path.stem != "__init__"],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_an_endpoint_imports_no_module_of_another(path: Path) -> None:
    endpoints = [name.split(".") for name in _imports(path) if name.startswith("headrace.endpoints.")]

    known = {_family(path)} if _family(path) in (SHARED, "postgres") else {_family(path), SHARED}
    assert [parts for parts in endpoints if parts[3:] and not any(_belongs(parts[3], one) for one in known)] == []


def test_arrows_point_inward() -> None:
    """A row names only rows above it, so nothing imports what imports it."""
    rows = list(ALLOWED)

    assert {(row, name) for row in rows for name in ALLOWED[row][0] if rows.index(name) >= rows.index(row)} == set()


def test_no_row_is_without_a_module() -> None:
    assert {_place(_name(path)) for path in MODULES} == set(ALLOWED)


def _imports(path: Path) -> Iterator[str]:
    """Full names; of ``from a import b`` it is ``a.b`` when that is a module of ours."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}:{node.lineno}: write the whole name of the module"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_ours(name: str) -> bool:
    return name.split(".")[0] == "headrace"


def _name(path: Path) -> str:
    return ".".join(("headrace", *path.relative_to(PACKAGE).with_suffix("").parts))


def _place(name: str) -> str:
    """The row a module belongs to: its folder or its own name, below ``endpoints`` when it is there."""
    parts = name.split(".")[1:]
    if parts[0] == "endpoints" and parts[1:]:
        return "__init__" if parts[1] == "__init__" else parts[1]
    return parts[0] if (PACKAGE / parts[0]).is_dir() or (PACKAGE / f"{parts[0]}.py").exists() else "__init__"


def _family(path: Path) -> str:
    (family,) = [family for family in FAMILIES if _belongs(path.stem, family)]
    return family


def _belongs(module: str, family: str) -> bool:
    return module == family or module.startswith(f"{family}_")
