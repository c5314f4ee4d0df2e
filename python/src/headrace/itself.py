"""A unit is not loaded into itself: every load would double it, or take its rows for those of somebody else."""

from __future__ import annotations

from headrace.abilities import KnowingSource, PlacedSink
from headrace.blame import blamed
from headrace.endpoint import SinkEndpoint, SourceEndpoint, Target
from headrace.errors import ConfigInvalid


def refuse_itself(source: SourceEndpoint, sink: SinkEndpoint, target: Target) -> None:
    """Raises ``ConfigInvalid`` when the rows that are read are those that would be written."""
    if not (isinstance(source, KnowingSource) and isinstance(sink, PlacedSink)):
        return
    places = sink.places(target)
    if not places:
        return
    with blamed("source"):
        is_itself = source.is_kept_in(target.unit_id, places)
    if is_itself:
        raise ConfigInvalid(
            f"Source and sink are the same {sink.elsewhere(target)}", role="sink", details={"unitId": target.unit_id}
        )
