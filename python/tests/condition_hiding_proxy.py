"""A test instrument: HTTP before a real S3 server, which never learns of a condition.

To its clients it is a store that ignores ``If-None-Match`` and ``If-Match``, as
some do. Requests are signed anew, since the conditions were signed too.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import http.client
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qsl, quote, urlsplit

REGION, SERVICE = "us-east-1", "s3"
_HIDDEN = {"if-none-match", "if-match"}
_OF_THE_SIGNATURE = {"authorization", "host", "x-amz-date", "x-amz-content-sha256", "connection", "accept-encoding"}


def hiding_conditions(port: int, key: str, secret: str) -> int:
    """Listens on loopback before the server on ``port`` until the process ends. Returns its own port."""

    class Handler(_Hiding):
        upstream, keys = port, (key, secret)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


class _Hiding(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream: ClassVar[int]
    keys: ClassVar[tuple[str, str]]

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        left_out = _HIDDEN | _OF_THE_SIGNATURE
        headers = {name: value for name, value in self.headers.items() if name.lower() not in left_out}
        host = f"127.0.0.1:{self.upstream}"
        connection = http.client.HTTPConnection(host)
        try:
            connection.request(self.command, self.path, body, headers | self._signature(host, headers))
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        size = answer.getheader("Content-Length", "0") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", size)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_HEAD = do_DELETE = do_POST = do_PUT

    def _signature(self, host: str, headers: Mapping[str, str]) -> dict[str, str]:
        """AWS Signature Version 4 over host, date, an unsigned payload and what else must be signed."""
        key, secret = self.keys
        at = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
        own = {"host": host, "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": at}
        others = {name.lower(): value for name, value in headers.items() if name.lower().startswith("x-amz-")}
        signed = dict(sorted({**own, **others}.items()))
        parts = urlsplit(self.path)
        pairs = sorted((quote(n, safe="-_.~"), quote(v, safe="-_.~")) for n, v in parse_qsl(parts.query, True))
        names = ";".join(signed)
        lines = [f"{name}:{value}" for name, value in signed.items()]
        query = "&".join("=".join(pair) for pair in pairs)
        request = "\n".join([self.command, parts.path, query, *lines, "", names, "UNSIGNED-PAYLOAD"])
        scope = f"{at[:8]}/{REGION}/{SERVICE}/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", at, scope, hashlib.sha256(request.encode()).hexdigest()])
        signing = f"AWS4{secret}".encode()
        for part in scope.split("/"):
            signing = hmac.digest(signing, part.encode(), "sha256")
        signature = hmac.digest(signing, text.encode(), "sha256").hex()
        of = f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
        return {**own, "authorization": of}

    def log_message(self, format: str, *args: object) -> None:
        """What passes is the test's to look at, not its output."""
