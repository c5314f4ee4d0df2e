"""The golden conversations, played against the real worker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from peer import TOKEN, Peer
from worker_process import worker_process

from headrace.contract import CONTRACT_FINGERPRINT

FOLDER = Path(__file__).parents[2] / "packages/core/protocol/transcripts"
TRANSCRIPTS = {
    path.stem: [json.loads(line) for line in path.read_text().splitlines()] for path in FOLDER.glob("*.jsonl")
}

_KINDS = {"<text>": str, "<object>": dict, "<list>": list}


@pytest.mark.parametrize("name", sorted(TRANSCRIPTS))
def test_the_worker_says_what_the_transcript_says(name: str, tmp_path: Path) -> None:
    with worker_process(tmp_path) as (peer, _):
        lines = TRANSCRIPTS[name]
        if lines[0]["frame"].get("payload", {}).keys() != {"protocol", "token", "contractFingerprint"} and (
            name != "hello-missing"
        ):
            assert peer.greet()["_tag"] == "Success"

        for line in lines:
            _play(peer, line)


def test_there_are_transcripts() -> None:
    assert "run-two-slices" in TRANSCRIPTS


def _play(peer: Peer, line: dict[str, Any]) -> None:
    if line.get("closed"):
        assert peer.is_closed()
        return
    if line["to"] == "worker":
        peer.send(_filled(line["frame"]))
        return
    expected = line["frame"]
    if "requestId" in expected:
        found = peer.of_request(expected["requestId"], acknowledge=False)
    else:
        found = peer.receive(lambda frame: "requestId" not in frame)
    assert _matches(expected, found), f"\nexpected {expected}\nfound    {found}"


def _filled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner) for inner in value]
    return (
        {"<token>": TOKEN, "<fingerprint>": CONTRACT_FINGERPRINT}.get(value, value) if isinstance(value, str) else value
    )


def _matches(expected: Any, found: Any) -> bool:
    if isinstance(expected, str) and expected in _KINDS:
        return isinstance(found, _KINDS[expected])
    if expected == "<count>":
        return isinstance(found, int) and found >= 0
    if isinstance(expected, dict):
        return expected.keys() == found.keys() and all(_matches(expected[key], found[key]) for key in expected)
    if isinstance(expected, list):
        return len(expected) == len(found) and all(map(_matches, expected, found))
    return type(expected) is type(found) and expected == found
