"""A light call that nobody waits for any more."""

from __future__ import annotations

import socket
import threading

from peer import SECONDS, Peer
from worker_process import source

from headrace.conversation import Conversation
from headrace.light_call import LightCall
from headrace.redaction import Redaction


def test_a_call_that_was_given_up_before_it_opened_its_source_asks_it_nothing() -> None:
    ours, theirs = socket.socketpair()
    odd = source("test.odd", doing="waits", password="canary")
    preview = {"endpoint": odd, "unitId": "odd", "limit": 1}
    call = LightCall(7, "preview", preview, Conversation(theirs), Redaction())
    ended = threading.Event()

    call.abandon()
    call.start(ended.set)

    with ours, theirs:
        assert Peer(ours).cause(7) == {"_tag": "Interrupt", "fiberId": None}
        assert ended.wait(SECONDS)
