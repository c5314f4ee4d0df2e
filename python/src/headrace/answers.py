"""How a call's outcome is said: what it returned, what a caller can handle, or a bug."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from headrace.conversation import Conversation
from headrace.errors import DataPlaneError, problem
from headrace.observer import RunInterrupted
from headrace.protocol import EndpointRef, Json
from headrace.redaction import Redaction

log = logging.getLogger("headrace.worker")

Answer = Callable[[], None]


def outcome(
    conversation: Conversation,
    redaction: Redaction,
    request_id: Any,
    endpoints: Iterable[EndpointRef],
    work: Callable[[], Json],
) -> Answer:
    """Do the work, with the endpoints' secrets hidden, and return what answers the request."""
    with redaction.hiding(endpoints):
        try:
            value = work()
            return lambda: conversation.succeed(request_id, value)
        except RunInterrupted:
            return lambda: conversation.interrupted(request_id)
        except DataPlaneError as error:
            found = redaction.problem(problem(error))
            log.info("call %s fails: %s: %s", request_id, found.tag, found.message)
            return lambda: conversation.fail(request_id, found)
        except (Exception, SystemExit) as error:  # the process boundary: a bug ends one call, not the worker
            log.exception("call %s died", request_id)
            name, message = type(error).__name__, redaction(str(error))
            return lambda: conversation.die(request_id, name, message)
