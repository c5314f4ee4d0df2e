"""What is printed becomes log lines: whole ones, and each thread's its own."""

from __future__ import annotations

import json
import logging
import sys
import threading
from typing import TextIO, cast

import pytest

from headrace.errors import RowRejected
from headrace.logs import LONGEST_BEGUN, JsonLines, PrintedLines


@pytest.fixture
def stream(caplog: pytest.LogCaptureFixture) -> TextIO:
    caplog.set_level(logging.INFO, logger="printed")
    return cast(TextIO, PrintedLines("printed", logging.INFO, sys.stderr))


def test_a_line_is_said_when_it_ends(stream: TextIO, caplog: pytest.LogCaptureFixture) -> None:
    print("one", 2, end="", file=stream)
    before = list(caplog.messages)
    print(" three\nfour\n\n", file=stream)

    assert (before, caplog.messages) == ([], ["one 2 three", "four"])


def test_what_is_begun_is_said_when_it_is_flushed_and_only_once(
    stream: TextIO, caplog: pytest.LogCaptureFixture
) -> None:
    print("begun", end="", file=stream, flush=True)
    print(" ended", file=stream)
    stream.flush()

    assert caplog.messages == ["begun", " ended"]


def test_a_line_that_never_ends_is_said_in_pieces(stream: TextIO, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(10):
        stream.write("." * (LONGEST_BEGUN // 2))

    assert [len(message) for message in caplog.messages] == [LONGEST_BEGUN] * 5


def test_lines_of_several_threads_do_not_mix(stream: TextIO, caplog: pytest.LogCaptureFixture) -> None:
    print("main", end=" ", file=stream)
    other = threading.Thread(target=print, args=("other",), kwargs={"file": stream})
    other.start()
    other.join()
    print("thread", file=stream)

    assert caplog.messages == ["other", "main thread"]


def test_a_percent_sign_is_a_percent_sign(stream: TextIO, caplog: pytest.LogCaptureFixture) -> None:
    print("100 %s", file=stream)

    assert caplog.messages == ["100 %s"]


def test_programs_that_need_the_stream_itself_find_it(stream: TextIO) -> None:
    with open("/dev/null", "w") as behind:
        assert PrintedLines("printed", logging.INFO, behind).fileno() == behind.fileno()
    assert (stream.writable(), stream.isatty(), stream.encoding) == (True, False, "utf-8")


# ---- what goes wrong


@pytest.mark.parametrize(("level", "is_traced"), [(logging.INFO, False), (logging.ERROR, True)])
def test_a_failure_that_was_foreseen_is_told_by_its_sentence_alone(level: int, is_traced: bool) -> None:
    try:
        raise RowRejected("Line 3 has 2 fields. Its password is hunter2.", role="source")
    except RowRejected:
        record = logging.LogRecord("run", level, "run.py", 1, "the run ends", (), sys.exc_info())

    told = json.loads(JsonLines(lambda text: text.replace("hunter2", "****")).format(record))["exception"]

    assert told.endswith("Line 3 has 2 fields. Its password is ****.")
    assert ("Traceback" in told, told.startswith("Line 3")) == (is_traced, not is_traced)
