"""Every staging provider, by the id clients choose it with."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from headrace.errors import ConfigInvalid
from headrace.staging import StagingProvider

STAGINGS: Mapping[str, str] = {
    "in_memory": "headrace.stagings.in_memory:InMemoryStaging",
    "local_disk": "headrace.stagings.local_disk:LocalDiskStaging",
    "object_store": "headrace.stagings.object_store:ObjectStoreStaging",
}


def staging_provider(provider_id: str) -> StagingProvider:
    """A provider by its id.

    Raises:
        ConfigInvalid: There is none of that id; nothing falls back to another.
    """
    place = STAGINGS.get(provider_id)
    if place is None:
        raise ConfigInvalid(
            f"There is no staging provider {provider_id!r}. Choose one of: {', '.join(sorted(STAGINGS))}.",
            details={"field": "stagingProviderId"},
        )
    module, _, name = place.partition(":")
    provider: StagingProvider = getattr(import_module(module), name)()
    return provider
