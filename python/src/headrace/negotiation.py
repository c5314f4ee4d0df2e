"""What source, staging and sink agree on before the first row: the best shape that all three know.

The source learns it from the policy it is given, in keys that no user writes:
``nativeFormat`` for both kinds of native data, and for a slice that is to be one
file ``nativeFile``: its ``path``, its ``footer``, and the options of the sink.
"""

from __future__ import annotations

from typing import cast

from headrace.commit import unit_path
from headrace.endpoint import Policy, SinkEndpoint, SourceEndpoint, WriteDisposition
from headrace.footers import footer
from headrace.policy import RunPolicy
from headrace.protocol import Json
from headrace.staging import FILE_FORMATS, IngestionContext, StagingProvider, StagingSession


def reading_policy(
    given: Policy,
    parsed: RunPolicy,
    source: SourceEndpoint,
    provider: StagingProvider,
    sink: SinkEndpoint | None,
    disposition: WriteDisposition | None,
) -> Policy:
    """``given`` with what was chosen where it is silent, and the format both ends name if no step sees a value."""
    said = given.get("staging")
    staging = cast("dict[str, Json]", said) if isinstance(said, dict) else {}
    policy: dict[str, Json] = {**given, "staging": {**staging, "provider": provider.id}}
    if disposition is not None:
        policy["writeDisposition"] = disposition
    if parsed.sets_aside:
        limits = parsed.quarantine
        policy["quarantine"] = {"maxRows": limits.max_rows, "maxRatio": limits.max_ratio}
    is_looked_at = parsed.looks_at_rows or (parsed.filter is not None and not source.capabilities().filters)
    if sink is None or is_looked_at or given.get("deletes") not in (None, "ignore"):
        return policy
    taken = sink.capabilities().native_formats
    both = [name for name in source.capabilities().native_formats if name in taken and _can_be_staged(name, provider)]
    return {**policy, "nativeFormat": both[0]} if both else policy


def slice_policy(policy: Policy, session: StagingSession, sink: SinkEndpoint | None) -> Policy:
    """The policy of one slice: where its file goes, if it is to be one."""
    named = policy.get("nativeFormat")
    path = session.native_path() if sink is not None and named in FILE_FORMATS else None
    if sink is None or path is None:
        return policy
    options = sink.capabilities().native_options.get(str(named), {})
    return {**policy, "nativeFile": {"path": str(path), "footer": _footer(session.context), **options}}


def _footer(context: IngestionContext) -> dict[str, Json]:
    unit = unit_path(context.tenant, context.endpoint_id, context.unit_id, context.sink_id)
    return {**footer(unit=unit, run_id=context.run_id, generation=context.generation, slice_seq=context.slice_seq)}


def _can_be_staged(name: str, provider: StagingProvider) -> bool:
    return name not in FILE_FORMATS or provider.takes_native_files
