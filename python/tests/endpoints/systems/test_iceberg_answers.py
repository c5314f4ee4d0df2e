"""What a REST catalog's answer to a commit says when it is no answer of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from iceberg_writing import IcebergWriting, note, sqlite_catalog
from pyiceberg.exceptions import CommitStateUnknownException

from headrace.endpoints.systems.iceberg_catalog import open_catalog
from headrace.endpoints.systems.iceberg_errors import is_certain, is_passing
from headrace.endpoints.systems.iceberg_parameters import IcebergParameters


@pytest.fixture
def proxy() -> Iterator[str]:
    """Before a catalog that took the commit, and answers every POST with a page of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(b"{}")

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer(b"<html>Signed in.</html>")

        def _answer(self, content: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """What passes is the test's to look at, not its output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_answer_to_a_commit_that_cannot_be_read_is_one_to_look_up(proxy: str, tmp_path: Path) -> None:
    writing = IcebergWriting(sqlite_catalog(tmp_path))
    writing.put(writing.to("append"), [note(1)])
    parameters = IcebergParameters.parse({"catalog_type": "rest", "catalog_uri": proxy})

    with closing(open_catalog(parameters)) as catalog, pytest.raises(CommitStateUnknownException) as found:
        catalog.commit_table(writing.table(), (), ())

    assert (is_passing(found.value), is_certain(found.value)) == (True, False)
