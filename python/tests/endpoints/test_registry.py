"""Which endpoints there are, whose they are, and what a person is told when one is not to be had."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import misbehaving
import pytest
from worker_process import worker_process

from headrace.endpoint import SinkEndpoint, SourceEndpoint
from headrace.endpoints import registry
from headrace.errors import ConfigInvalid
from headrace.testing import endpoints

DRIVERS = ("adbc_driver_postgresql", "psycopg", "pyarrow.parquet")

KNOWN: Mapping[str, registry.Entry] = {"test.known": {"described": "a:A", "source": "a:B"}}

_MORE: Mapping[str, registry.Entry] = {"test.more": {"described": "b:A", "sink": "b:B"}}
_TAKEN: Mapping[str, registry.Entry] = {"test.known": {"described": "c:A", "source": "c:B"}}
_NO_MAPPING = ["test.more"]
_NO_ROLE = {"test.more": {"described": "b:A"}}
_NO_DESCRIPTION = {"test.more": {"source": "b:A"}}
_NO_CLASS = {"test.more": {"described": "b:A", "source": "b"}}
_NO_ENTRY = {"test.more": "b:A"}


def _plugin(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, f"{__name__}:{value}", "headrace.endpoints")


def test_endpoints_reach_the_control_plane_from_the_registry_alone() -> None:
    """P5: in order of id, each with the descriptor that its own class gives."""
    found = [descriptor.id for descriptor in registry.descriptors()]

    plugins = {*endpoints.ENDPOINTS, *misbehaving.ENDPOINTS}
    assert found == sorted(registry.endpoints()) == sorted({*registry.ENDPOINTS, *plugins})


@pytest.mark.parametrize("template_id", sorted(registry.ENDPOINTS))
def test_every_place_of_the_dictionary_holds_a_class_of_its_role(template_id: str) -> None:
    """P1"""
    entry = registry.ENDPOINTS[template_id]

    assert registry.described(template_id).descriptor().id == template_id
    for role, protocol in (("source", SourceEndpoint), ("sink", SinkEndpoint)):
        if role in entry:
            module, _, name = entry[role].partition(":")
            assert set(_verbs(protocol)) <= set(dir(getattr(import_module(module), name)))


def _verbs(protocol: type) -> list[str]:
    return [name for name in vars(protocol) if not name.startswith("_")]


def test_plugins_come_after_the_dictionary_in_order_of_name() -> None:
    found = registry.with_plugins(KNOWN, [_plugin("zulu", "_MORE")])

    assert list(found) == ["test.known", "test.more"]


def test_a_template_that_is_taken_is_refused_with_both_claimants_named() -> None:
    with pytest.raises(registry.EndpointCollision, match=r"'test\.known' is claimed by headrace itself and.*'alpha'"):
        registry.with_plugins(KNOWN, [_plugin("alpha", "_TAKEN")])


def test_of_two_plugins_that_claim_one_template_both_are_named() -> None:
    with pytest.raises(registry.EndpointCollision, match=r"'alpha'.* and by the plugin 'bravo'"):
        registry.with_plugins({}, [_plugin("bravo", "_TAKEN"), _plugin("alpha", "_TAKEN")])


@pytest.mark.parametrize("value", ["_NO_MAPPING", "_NO_ROLE", "_NO_DESCRIPTION", "_NO_CLASS", "_NO_ENTRY", "_ABSENT"])
def test_a_plugin_that_gives_something_else_than_entries_is_refused_by_name(value: str) -> None:
    with pytest.raises(ConfigInvalid, match=r"'alpha' \(endpoints\.test_registry:|'alpha' \(test_registry:"):
        registry.with_plugins(KNOWN, [_plugin("alpha", value)])


@pytest.mark.parametrize(
    ("source", "reason"),
    [("raise RuntimeError('no licence')", "RuntimeError: no licence"), ("import absent_library", "absent_library")],
    ids=["its module raises", "its module imports what is not there"],
)
def test_a_plugin_that_cannot_be_loaded_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, reason: str
) -> None:
    (tmp_path / "broken_plugin.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ConfigInvalid, match=f"'alpha'.*cannot be loaded.*{reason}"):
        registry.with_plugins(KNOWN, [EntryPoint("alpha", "broken_plugin:ENDPOINTS", "headrace.endpoints")])


@pytest.mark.parametrize("make", [registry.source, registry.sink], ids=["source", "sink"])
def test_an_unknown_template_is_refused_with_the_known_ones(make: Callable[..., Any]) -> None:
    with pytest.raises(ConfigInvalid, match=r"'jdbc\.postgrs'.*Known are:.* jdbc\.postgres,") as refusal:
        make("jdbc.postgrs", {})

    assert refusal.value.details == {"field": "templateId"}


def test_a_template_that_only_reads_cannot_be_written_to_and_those_that_can_are_named() -> None:
    with pytest.raises(ConfigInvalid, match=r"'test\.records' cannot be written to; those of .*file\.local.* can"):
        registry.sink("test.records", {})


def test_an_endpoint_nobody_configured_is_refused_with_what_to_call() -> None:
    for known in (registry.configured_source, registry.configured_sink):
        with pytest.raises(ConfigInvalid, match=r"'nobody'.*registry\.configure"):
            known("nobody")


def test_configuring_an_unknown_template_configures_nothing(configured: Any) -> None:
    with pytest.raises(ConfigInvalid):
        configured.configure("shop", "test.nothing", {})

    assert "shop" not in configured.configurations()


def test_configuring_again_replaces_and_forgetting_is_idempotent(configured: Any) -> None:
    configured.configure("shop", "test.rows", {"rows": "[]"})
    configured.configure("shop", "test.rows", {"rows": '[{"id": 1}]'})
    assert configured.configured_source("shop").describe("rows").estimated_rows == 1

    configured.forget("shop")
    configured.forget("shop")

    assert "shop" not in configured.configurations()


def test_a_configuration_does_not_show_its_parameters(configured: Any) -> None:
    configured.configure("shop", "test.rows", {"password": "canary"})

    assert "canary" not in repr(configured.configurations())


def test_a_worker_with_a_plugin_that_cannot_be_loaded_says_so_to_whoever_greets_it(tmp_path: Path) -> None:
    with worker_process(tmp_path, HEADRACE_PLUGINS="gone:ENDPOINTS") as (peer, _):
        (cause,) = peer.greet()["cause"]

    assert cause["error"]["tag"] == "ConfigInvalid"
    assert "'gone:ENDPOINTS'" in cause["error"]["message"]


def _python(program: str, **environment: str) -> str:
    """What a fresh interpreter prints, which has imported nothing yet."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout.strip()


def test_importing_the_registry_and_describing_every_endpoint_imports_no_driver() -> None:
    program = f"""
import sys
from headrace.endpoints import registry
assert len(registry.descriptors()) > 1
print([name for name in {DRIVERS!r} if name in sys.modules])
"""
    assert _python(program) == "[]"


_WITHOUT_LIBRARY = """
import sys
sys.modules["psycopg"] = None  # what an interpreter does with a module that is not installed
from headrace.endpoints import registry
from headrace.errors import ConfigInvalid
for make in (registry.source, registry.sink):
    try:
        make("jdbc.postgres", {})
    except ConfigInvalid as error:
        print(error.message, error.details)
"""


def test_a_library_that_is_not_installed_is_named_with_the_extra_that_brings_it() -> None:
    said = _python(_WITHOUT_LIBRARY).splitlines()

    assert len(said) == 2
    assert all("pip install 'headrace[postgres]'" in line and "'library': 'psycopg'" in line for line in said)


def test_a_class_that_is_not_where_its_plugin_says_is_refused_with_the_place() -> None:
    said = _python(
        "import sys; sys.modules['plugin'] = type(sys)('plugin')\n"
        "sys.modules['plugin'].ENDPOINTS = {'x.y': {'described': 'plugin:Gone', 'source': 'plugin:Gone'}}\n"
        "from headrace.endpoints import registry\n"
        "try: registry.source('x.y', {})\n"
        "except registry.ConfigInvalid as error: print(error.message)",
        HEADRACE_PLUGINS="plugin:ENDPOINTS",
    )

    assert "source of the template 'x.y' cannot be loaded from plugin:Gone" in said
