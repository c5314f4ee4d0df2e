"""What the pages say of the data plane is what it does: their Python runs, their tables are the code's."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from postgres_server import postgres_server

from headrace.deletions import OPERATION_COLUMN
from headrace.endpoints import registry
from headrace.endpoints.sinks.postgres_ledger import COMMIT, FENCE, TARGET
from headrace.endpoints.sources import files_policy, postgres_policy
from headrace.endpoints.sources.files_names import ENDINGS
from headrace.endpoints.systems.files_column_types import WORDS
from headrace.endpoints.systems.files_layout import COMMIT_FILE, LATEST_FILE, UNIT_FILE
from headrace.endpoints.systems.s3_layout import CURRENT_FILE, READ_FILE
from headrace.errors import ConfigInvalid
from headrace.policy import KEYS, KEYS_WITHIN, parse
from headrace.protocol import Json
from headrace.stagings import STAGINGS

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text()


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page(name), re.MULTILINE | re.DOTALL)


def tables(name: str, heading: str) -> list[list[list[str]]]:
    """The tables below a heading, up to the next one, as cells; a table begins with its head and a rule."""
    section = re.split(r"^#+ ", page(name).split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    found = [block.splitlines() for block in section.split("\n\n") if block.lstrip().startswith("|")]
    return [
        [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines if line.startswith("|")]
        for lines in found
    ]


def rows(name: str, heading: str) -> list[list[str]]:
    """The rows of the first table below a heading."""
    return tables(name, heading)[0][2:]


def codes(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


# ---- the snippets


@pytest.fixture
def configured_as_documented(configured: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Mapping[str, str]:
    """The test's own server and folder behind the names of the page; the parameters asked for are the page's."""
    server = postgres_server()
    shop = server.database(
        "create table orders (id int primary key, note text)", "insert into orders values (1, 'one'), (2, 'two')"
    )
    monkeypatch.chdir(tmp_path)
    real = registry.configure

    def configure(endpoint_id: str, template_id: str, parameters: Mapping[str, str]) -> None:
        own = server.parameters(shop) if template_id == "jdbc.postgres" else parameters
        assert set(own) == set(parameters)
        real(endpoint_id, template_id, own)

    monkeypatch.setattr(registry, "configure", configure)
    return {"shop": shop}


def test_the_snippet_of_the_contract_page_carries_a_table(configured_as_documented: Mapping[str, str]) -> None:
    (snippet,) = blocks("meta/source-staging-sink.md", "python")
    names: dict[str, Any] = {}

    exec(compile(snippet, "source-staging-sink.md", "exec"), names)

    result = names["result"]
    assert (result["errors"], result["new_checkpoint"], result["stats"]["applied_rows"]) == ([], None, 2)
    assert list(Path("lake/public.orders").rglob("*.parquet")) != []


def test_a_runs_stats_are_those_that_are_listed(configured_as_documented: Mapping[str, str]) -> None:
    (snippet,) = blocks("meta/source-staging-sink.md", "python")
    names: dict[str, Any] = {}
    exec(compile(snippet, "source-staging-sink.md", "exec"), names)
    listed = {key for first, *_ in rows("INGESTION_AND_SINKS.md", "What a run says it did") for key in codes(first)}

    of_the_control_plane = {"processed", "upserts", "edges"}
    when_rows_were_set_aside = {"rejected", "discarded"}
    assert set(names["result"]["stats"]) == listed - of_the_control_plane - when_rows_were_set_aside


def test_the_source_of_the_guide_passes_its_suite_and_is_carried_by_a_run(tmp_path: Path) -> None:
    source, suite, run = blocks("guides/add-a-source.md", "python")
    (project,) = blocks("guides/add-a-source.md", "toml")
    (plugin,) = re.findall(r'= "(headrace_sqlite:\w+)"', project)
    # A package of two modules, one of them its test, does not install unless it says which one it is.
    assert tomllib.loads(project)["tool"]["setuptools"]["py-modules"] == [plugin.split(":")[0]]
    (tmp_path / "headrace_sqlite.py").write_text(source)
    (tmp_path / "test_headrace_sqlite.py").write_text(suite)
    (tmp_path / "run.py").write_text(f"{run}\nassert result['errors'] == [] and result['stats']['applied_rows'] == 7\n")
    make = "import sqlite3; d = sqlite3.connect('shop.db'); d.execute('create table orders (id integer)')"
    fill = "d.executemany('insert into orders values (?)', [(n,) for n in range(7)]); d.commit()"

    said = executed(tmp_path, plugin, "-m", "pytest", "-q", "-p", "headrace.testing.plugin", "-p", "no:cacheprovider")
    executed(tmp_path, plugin, "-c", f"{make}; {fill}")
    executed(tmp_path, plugin, "run.py")

    assert re.search(r"\d+ passed", said)
    assert len(list((tmp_path / "lake/orders").rglob("*.parquet"))) == 3


def test_the_sink_of_the_guide_passes_its_suite_and_is_carried_to_by_a_run(tmp_path: Path) -> None:
    sink, suite, run = blocks("guides/add-a-sink.md", "python")
    (project,) = blocks("guides/add-a-sink.md", "toml")
    (plugin,) = tomllib.loads(project)["project"]["entry-points"]["headrace.endpoints"].values()
    assert tomllib.loads(project)["tool"]["setuptools"]["py-modules"] == [plugin.split(":")[0]]
    (tmp_path / "headrace_sqlite_sink.py").write_text(sink)
    (tmp_path / "test_headrace_sqlite_sink.py").write_text(suite)
    (tmp_path / "run.py").write_text(f"{run}\nassert result['errors'] == [] and result['stats']['applied_rows'] == 7\n")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "orders.csv").write_text("id,note\n" + "".join(f"{n},row {n}\n" for n in range(7)))

    said = executed(tmp_path, plugin, "-m", "pytest", "-q", "-p", "headrace.testing.plugin", "-p", "no:cacheprovider")
    executed(tmp_path, plugin, "run.py")

    assert re.search(r"\d+ passed", said)
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute('select count(*), max(note) from "orders.csv"').fetchall() == [(7, "row 6")]


def executed(folder: Path, plugin: str, *words: str) -> str:
    paths = os.pathsep.join([str(folder), str(REPOSITORY / "python/src")])
    environment = {**os.environ, "PYTHONPATH": paths, "HEADRACE_PLUGINS": plugin}
    done = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# ---- the tables

POLICY: Sequence[Sequence[str]] = rows("INGESTION_AND_SINKS.md", "Policy")
SAID: Mapping[str, Json] = {
    "filter": {"eq": ["status", "open"]},
    "lookback": "1 hour",
    "parameters": {"year": 2024},
    "quarantine": {"maxRows": 1, "maxRatio": 1},
    "deletes": "soft",
    "deletedField": "gone",
    "dataEngine": "spark",
    "columns": ["id"],
    "limit": 10,
    "targetSliceSize": 10,
    "sliceBytes": 10,
    "batchBytes": 10,
    "maxParallelSlices": 2,
    "primaryKeys": ["id"],
    "writeDisposition": "merge",
    "staging": {"provider": "local_disk", "maxBytes": 1},
    "schemaContract": "freeze",
    "nulls": "ignore",
    "attempts": 2,
    "onNewGeneration": "merge",
    "require": "exactly-once",
    "limits": {"memoryBytes": 1, "rowBytes": 1},
    "mode": "full",
}
"""For each key a value; of those that have a refused one, that."""

BESIDE: Mapping[str, Mapping[str, Json]] = {
    "deletes": {"deletedField": "gone"},
    "deletedField": {"deletes": "soft"},
    "lookback": {"mode": "incremental", "cursorField": "at"},
}
"""What a value means nothing without."""

PARTLY_REFUSED = {"schemaContract", "onNewGeneration"}
"""Refused by a sink, and so not when the policy is read."""

SOURCES = (files_policy.ReadPolicy.parse, postgres_policy.ReadPolicy.parse)


def test_the_policy_keys_are_those_that_are_listed() -> None:
    assert sorted(codes(row[0])[0] for row in POLICY) == sorted(KEYS)


@pytest.mark.parametrize("outer", sorted(KEYS_WITHIN))
def test_the_keys_within_a_policy_key_are_those_that_are_listed(outer: str) -> None:
    (values,) = [row[1] for row in POLICY if codes(row[0]) == [outer]]

    assert values == f"`{{{', '.join(KEYS_WITHIN[outer])}}}`"


@pytest.mark.parametrize("row", [row for row in POLICY if row[0] != "`cursorField`"], ids=lambda row: codes(row[0])[0])
def test_a_policy_key_is_refused_exactly_where_the_page_says_so(row: Sequence[str]) -> None:
    (key,) = codes(row[0])

    policy = {key: SAID[key], **BESIDE.get(key, {})}
    files, postgres, run = (refuses(policy, read) for read in (*SOURCES, parse))

    assert (files or run) is ("**refused**" in row[3] and key not in PARTLY_REFUSED)
    assert postgres is (files and "works in `jdbc.postgres`" not in row[3])


def test_files_refuse_the_cursor_that_they_do_not_need() -> None:
    files, postgres = SOURCES

    assert (refuses({"cursorField": "at"}, files), refuses({"cursorField": "at"}, postgres)) == (True, False)


def refuses(policy: Mapping[str, Json], read: Callable[[Mapping[str, Json]], object]) -> bool:
    try:
        read(policy)
    except ConfigInvalid:
        return True
    return False


def test_the_staging_providers_are_those_that_are_named() -> None:
    (row,) = [row for row in rows("meta/source-staging-sink.md", "Roles") if codes(row[0]) == ["StagingProvider"]]

    assert codes(row[2]) == list(STAGINGS)


def test_what_sinks_keep_beside_the_rows_has_the_names_the_pages_give_it() -> None:
    kept = codes(page("MAP.md"))
    ours, layout = page("ENDPOINTS.md"), page("INGESTION_AND_SINKS.md")

    assert {COMMIT, COMMIT_FILE} <= set(kept)
    assert {COMMIT, FENCE, TARGET} <= set(codes(ours))
    assert all(f"/{name}" in layout for name in (COMMIT_FILE, UNIT_FILE, LATEST_FILE, CURRENT_FILE, READ_FILE))
    assert f"`{OPERATION_COLUMN}`" in layout


@pytest.mark.parametrize("template_id", sorted(registry.ENDPOINTS))
def test_a_sink_has_the_delivery_class_that_is_listed(template_id: str) -> None:
    (row,) = [row for row in rows("ENDPOINTS.md", "Endpoints") if codes(row[0]) == [template_id]]
    parameters = {
        "base_path": "lake", "host": "db", "port": "1", "database": "shop", "username": "app", "password": "",
        "bucket": "lake", "endpoint_url": "http://127.0.0.1:1", "access_key_id": "key", "secret_access_key": "secret",
        "catalog_type": "rest", "catalog_uri": "https://catalog",
    }  # fmt: skip

    assert row[4] == registry.sink(template_id, parameters).capabilities().delivery


def test_the_formats_and_endings_of_files_are_those_that_are_listed() -> None:
    (listed,) = [table for table in tables("ENDPOINTS.md", "As a source of files") if table[0][0] == "Format"]

    assert {codes(row[0])[0]: tuple(codes(row[1])) for row in listed[2:]} == dict(ENDINGS)


def test_the_words_of_column_types_are_those_that_are_listed() -> None:
    (row,) = [
        row for table in tables("ENDPOINTS.md", "As a source of files") for row in table if "`column_types`" in row[0]
    ]

    assert sorted(codes(row[1])) == sorted(WORDS)
