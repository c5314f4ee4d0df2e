"""Who is at the other end of a Unix socket, as the kernel knows it."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from pathlib import Path

import pytest
from peer import SECONDS

from headrace.listening import NotPrivate, accept_one, peer_uid, xucred_uid

NOBODY = 65534


def test_the_other_end_of_our_own_socket_is_ours() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert peer_uid(ours) == os.getuid()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_connection_of_another_user_is_told_apart() -> None:
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listener:
        path = f"{directory}/socket"
        listener.bind(path)
        os.chmod(directory, 0o755)
        os.chmod(path, 0o666)
        listener.listen()
        listener.settimeout(SECONDS)

        stranger = _connect_as_nobody(path)
        connection, _ = listener.accept()
        os.waitpid(stranger, 0)

        with connection:
            assert peer_uid(connection) == NOBODY


def _connect_as_nobody(path: str) -> int:
    """A process that connects and ends. It is forked, since nobody may start the interpreter."""
    child = os.fork()
    if child == 0:
        try:
            os.setuid(NOBODY)
            with socket.socket(socket.AF_UNIX) as stranger:
                stranger.connect(path)
        finally:
            os._exit(0)
    return child


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o711, 0o701])
def test_a_directory_that_others_may_enter_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)

    with pytest.raises(NotPrivate, match="0700"):
        accept_one(tmp_path / "worker.sock")

    assert list(tmp_path.iterdir()) == []


def test_the_user_is_read_from_what_macos_answers_and_from_nothing_else() -> None:
    groups = bytes(68)
    assert xucred_uid((0).to_bytes(4, sys.byteorder) + (501).to_bytes(4, sys.byteorder) + groups) == 501
    with pytest.raises(NotPrivate, match="version 1"):
        xucred_uid((1).to_bytes(4, sys.byteorder) + (501).to_bytes(4, sys.byteorder) + groups)
