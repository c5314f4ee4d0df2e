"""Every endpoint there is, in one dictionary; plugins come after it and never over it.

An entry says where an endpoint's classes live, as ``module:Class``, so importing
this file imports no driver. Packages of others add entries through the
entry-point group ``headrace.endpoints``, tests through ``HEADRACE_PLUGINS``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeAlias, cast

from headrace.endpoint import DescribedEndpoint, SinkEndpoint, SourceEndpoint
from headrace.errors import ConfigInvalid
from headrace.templates import EndpointDescriptor

Entry: TypeAlias = Mapping[str, str]
"""Keys ``described``, and ``source`` or ``sink`` or both: ``module:Class``. ``extra``: what pip installs for it."""

ENDPOINTS: Mapping[str, Entry] = {
    "file.local": {
        "described": "headrace.endpoints.systems.local_files:LocalFilesSystem",
        "source": "headrace.endpoints.sources.local_files:LocalFilesSource",
        "sink": "headrace.endpoints.sinks.local_files:LocalFilesSink",
    },
    "jdbc.postgres": {
        "described": "headrace.endpoints.systems.postgres:PostgresSystem",
        "source": "headrace.endpoints.sources.postgres:PostgresSource",
        "sink": "headrace.endpoints.sinks.postgres:PostgresSink",
        "extra": "postgres",
    },
    "object.s3": {
        "described": "headrace.endpoints.systems.s3:S3System",
        "source": "headrace.endpoints.sources.s3:S3Source",
        "sink": "headrace.endpoints.sinks.s3:S3Sink",
        "extra": "s3",
    },
    "warehouse.iceberg": {
        "described": "headrace.endpoints.systems.iceberg:IcebergSystem",
        "sink": "headrace.endpoints.sinks.iceberg:IcebergSink",
        "extra": "iceberg",
    },
}


class EndpointCollision(ConfigInvalid):
    """Two packages claim one template id. Uninstall one of them."""


@dataclass(frozen=True, slots=True)
class Configured:
    """An endpoint somebody configured. ``parameters`` may hold secrets and are never shown."""

    template_id: str
    parameters: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Configured({self.template_id!r}, …)"


_configured: dict[str, Configured] = {}


def configure(endpoint_id: str, template_id: str, parameters: Mapping[str, str]) -> None:
    """Make an endpoint known to this process. A second call for the same id replaces the first."""
    _entry(template_id)
    _configured[endpoint_id] = Configured(template_id, dict(parameters))


def forget(endpoint_id: str) -> None:
    """Undo ``configure``. Forgetting what nobody configured is no error."""
    _configured.pop(endpoint_id, None)


def configurations() -> Mapping[str, Configured]:
    """What is configured now, by endpoint id."""
    return dict(_configured)


def configured_source(endpoint_id: str) -> SourceEndpoint:
    """The source configured under ``endpoint_id``. Raises ``ConfigInvalid`` when nobody did."""
    known = _known(endpoint_id)
    return source(known.template_id, known.parameters)


def configured_sink(endpoint_id: str) -> SinkEndpoint:
    """The sink configured under ``endpoint_id``. Raises ``ConfigInvalid`` when nobody did."""
    known = _known(endpoint_id)
    return sink(known.template_id, known.parameters)


def source(template_id: str, parameters: Mapping[str, str]) -> SourceEndpoint:
    """Make a source. Raises ``ConfigInvalid`` for an unknown template, one that only stores, or a wrong parameter."""
    return cast(SourceEndpoint, _class(template_id, "source")(parameters))


def sink(template_id: str, parameters: Mapping[str, str]) -> SinkEndpoint:
    """Make a sink. Raises ``ConfigInvalid`` for an unknown template, one that only reads, or a wrong parameter."""
    return cast(SinkEndpoint, _class(template_id, "sink")(parameters))


def described(template_id: str) -> type[DescribedEndpoint]:
    """The class that describes a template, builds its connections and tests them."""
    return cast("type[DescribedEndpoint]", _class(template_id, "described"))


def descriptors() -> list[EndpointDescriptor]:
    """Every template's descriptor, in order of id. Imports no driver and touches no system."""
    return [described(template_id).descriptor() for template_id in sorted(endpoints())]


@cache
def endpoints() -> Mapping[str, Entry]:
    """The dictionary above with the plugins of this installation."""
    return with_plugins(ENDPOINTS, [*entry_points(group="headrace.endpoints"), *_plugins_of_environment()])


def with_plugins(known: Mapping[str, Entry], plugins: Sequence[EntryPoint]) -> Mapping[str, Entry]:
    """Add the entries of each plugin, in order of name.

    Raises:
        EndpointCollision: A template id is taken; the message names both claimants.
        ConfigInvalid: A plugin cannot be loaded, or gives something else than entries.
    """
    entries = dict(known)
    claimants = dict.fromkeys(known, "headrace itself")
    for plugin in sorted(plugins, key=lambda plugin: plugin.name):
        for template_id, entry in _load(plugin).items():
            if template_id in entries:
                raise EndpointCollision(
                    f"The template {template_id!r} is claimed by {claimants[template_id]} and by the plugin "
                    f"{plugin.name!r} ({plugin.value}). Uninstall one of them."
                )
            entries[template_id] = entry
            claimants[template_id] = f"the plugin {plugin.name!r} ({plugin.value})"
    return entries


def _plugins_of_environment() -> list[EntryPoint]:
    named = os.environ.get("HEADRACE_PLUGINS", "")
    return [EntryPoint(value, value, "headrace.endpoints") for value in map(str.strip, named.split(",")) if value]


def _load(plugin: EntryPoint) -> Mapping[str, Entry]:
    named = f"The plugin {plugin.name!r} ({plugin.value})"
    try:
        loaded: Any = plugin.load()
    except Exception as error:  # importing it runs code of others, which may raise anything
        raise ConfigInvalid(f"{named} cannot be loaded: {type(error).__name__}: {error}.") from error
    if not isinstance(loaded, Mapping):
        raise ConfigInvalid(f"{named} is no mapping of template ids to entries.")
    entries = cast("Mapping[str, Entry]", loaded)
    for template_id, entry in entries.items():
        if not _is_entry(entry):
            raise ConfigInvalid(
                f"{named} gives no entry for {template_id!r}: described, and source or sink or both, "
                "each written module:Class, are expected."
            )
    return entries


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, Mapping):
        return False
    places = {key: place for key, place in cast("Entry", entry).items() if key in ("described", "source", "sink")}
    is_whole = "described" in places and len(places) > 1
    return is_whole and all(all(str(place).partition(":")) for place in places.values())


def _known(endpoint_id: str) -> Configured:
    try:
        return _configured[endpoint_id]
    except KeyError:
        raise ConfigInvalid(
            f"Nobody configured an endpoint {endpoint_id!r}. Call registry.configure(endpoint_id, template_id, "
            "parameters) first.",
            details={"field": "endpointId"},
        ) from None


def _entry(template_id: str) -> Entry:
    known = endpoints()
    if template_id not in known:
        raise ConfigInvalid(
            f"There is no endpoint template {template_id!r}. Known are: {', '.join(sorted(known))}.",
            details={"field": "templateId"},
        )
    return known[template_id]


def _class(template_id: str, role: str) -> Callable[[Mapping[str, str]], Any]:
    entry = _entry(template_id)
    if role not in entry:
        verb = {"source": "read from", "sink": "written to"}.get(role, "described")
        able = ", ".join(sorted(name for name, other in endpoints().items() if role in other))
        raise ConfigInvalid(
            f"Endpoints of the template {template_id!r} cannot be {verb}; those of {able} can.",
            details={"field": "templateId"},
        )
    module, _, name = entry[role].partition(":")
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        way = f"pip install 'headrace[{entry['extra']}]'" if "extra" in entry else f"install {error.name}"
        raise ConfigInvalid(
            f"The template {template_id!r} needs the library {error.name!r}, which is not installed: {way}.",
            details={"library": error.name or ""},
        ) from error
    except (ImportError, AttributeError) as error:
        raise ConfigInvalid(
            f"The {role} of the template {template_id!r} cannot be loaded from {entry[role]}: {error}. "
            "Install a version of its package that goes with this Headrace."
        ) from error
