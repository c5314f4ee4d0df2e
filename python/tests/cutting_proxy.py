"""A wire to PostgreSQL that breaks where a test says: before a message arrives, or before its answer is back."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from left_behind import temporary_folder


class CuttingProxy:
    """Listens on a Unix socket in ``directory``. Closed, it ends every connection that goes through it."""

    def __init__(self, sockets: str, port: int) -> None:
        self.directory = str(temporary_folder("cut"))
        self.cuts = 0
        self._server = f"{sockets}/.s.PGSQL.{port}"
        self._cut: Callable[[bytes], bool] = lambda _: False
        self._where: Literal["before", "after"] = "before"
        self._is_dead = self._dies = False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{self.directory}/.s.PGSQL.{port}")
        os.chmod(f"{self.directory}/.s.PGSQL.{port}", 0o666)
        self._listener.listen()
        self._carried: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def cut_once(
        self, when: Callable[[bytes], bool], where: Literal["before", "after"], *, for_ever: bool = False
    ) -> None:
        """Break the connection whose client sends bytes of which ``when`` is true; ``for_ever``: and all after it."""
        self._cut, self._where, self._dies = when, where, for_ever

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for wire in list(self._carried):
            with contextlib.suppress(OSError):  # it has just ended
                wire.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        shutil.rmtree(Path(self.directory))

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                thread = threading.Thread(target=self._carry, args=(client,))
                self._threads.append(thread)
                thread.start()

    def _carry(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError):
            if self._is_dead:
                return
            server.connect(self._server)
            self._carried.add(client)
            try:
                self._carry_on(client, server)
            finally:
                self._carried.discard(client)

    def _carry_on(self, client: socket.socket, server: socket.socket) -> None:
        while True:
            readable, _, _ = select.select([client, server], [], [])
            if client in readable and not self._to_server(client, server):
                return
            if server in readable:
                answer = server.recv(65536)
                if not answer:
                    return
                client.sendall(self._told(answer))

    def _told(self, answer: bytes) -> bytes:
        """What the client hears of the server."""
        return answer

    def _to_server(self, client: socket.socket, server: socket.socket) -> bool:
        """Whether the connection goes on."""
        asked = client.recv(65536)
        if not asked:
            return False
        if not self._cut(asked):
            server.sendall(asked)
            return True
        self._cut, self._is_dead = lambda _: False, self._dies
        self.cuts += 1
        if self._where == "after":
            server.sendall(asked)
            _until_answered(client, server)
        return False


def _until_answered(client: socket.socket, server: socket.socket) -> None:
    """What was asked so far may be the beginning of a question, and the rest of it still to come."""
    while server not in (readable := select.select([client, server], [], [])[0]):
        more = client.recv(65536) if client in readable else b""
        if not more:
            return
        server.sendall(more)
    server.recv(65536)
