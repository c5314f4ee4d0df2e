"""The worker's log: one JSON object a line on stderr, with the run it belongs to and without secrets.

What endpoints and libraries print goes the same way, so a ``print`` is a log
line like any other. Only what native code writes by itself passes as it is.
"""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO, cast

LONGEST_BEGUN = 16 * 1024
"""What is printed without an end of line is a line by itself from this length on: a progress bar never ends one."""

RUN_ID: ContextVar[str | None] = ContextVar("headrace_run_id", default=None)


class JsonLines(logging.Formatter):
    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "run_id": RUN_ID.get(),
            "message": self._redact(record.getMessage()),
        }
        if record.exc_info:
            line["exception"] = self._redact(self._failure(record.levelno, record.exc_info))
        return json.dumps(line, ensure_ascii=False)

    def _failure(self, level: int, raised: tuple[Any, ...]) -> str:
        """What was foreseen, such as a row that does not fit, is told by its sentence: the code is not to blame."""
        return str(raised[1]) if level < logging.WARNING else self.formatException(cast("Any", raised))


class PrintedLines(io.TextIOBase):
    """Stands in for a standard stream. A line is logged when it ends or is flushed; each thread has its own."""

    encoding = "utf-8"

    def __init__(self, name: str, level: int, behind: TextIO) -> None:
        self._log = logging.getLogger(name)
        self._level = level
        self._behind = behind
        self._of_thread = threading.local()

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        *lines, self._of_thread.begun = (self._begun() + text).split("\n")
        for line in lines:
            self._say(line)
        if len(self._begun()) >= LONGEST_BEGUN:
            self.flush()
        return len(text)

    def flush(self) -> None:
        begun, self._of_thread.begun = self._begun(), ""
        self._say(begun)

    def fileno(self) -> int:
        return self._behind.fileno()

    def _begun(self) -> str:
        return getattr(self._of_thread, "begun", "")

    def _say(self, line: str) -> None:
        # Logging prints what goes wrong in it, which would come here again.
        if not line.strip() or getattr(self._of_thread, "is_saying", False):
            return
        self._of_thread.is_saying = True
        try:
            self._log.log(self._level, "%s", line)
        finally:
            self._of_thread.is_saying = False


def log_to_stderr(redact: Callable[[str], str], level: str) -> None:
    """Send every log line of this process there, and what is printed to stdout or stderr as well."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(redact))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    sys.stdout = PrintedLines("stdout", logging.INFO, sys.stdout)
    sys.stderr = PrintedLines("stderr", logging.WARNING, sys.stderr)
