"""Tests that are ended from outside leave no folder and no server: at once, or once others have begun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from left_behind import sweep

TESTS = Path(__file__).parent

ENDLESS = """
import signal
from left_behind import end_in_order
from postgres_server import postgres_server

end_in_order()
print(postgres_server().directory, postgres_server().port, flush=True)
while True:
    signal.pause()
"""


def test_at_sigterm_the_server_is_stopped_and_its_folder_removed() -> None:
    with subprocess.Popen([sys.executable, "-c", ENDLESS], cwd=TESTS, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        directory, port = tests.stdout.readline().split()
        tests.send_signal(signal.SIGTERM)

    assert not Path(directory).exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(host="127.0.0.1", port=int(port), user="headrace", dbname="postgres")


def test_a_folder_goes_once_its_maker_and_its_server_are_gone(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    swept = [tmp_path / f"hr-pg-{gone.pid}-a", tmp_path / f"hr-s3-{gone.pid}-b"]
    mine, others = tmp_path / f"hr-pg-{os.getpid()}-c", tmp_path / f"hr-else-{gone.pid}-d"
    leaving = tmp_path / f"hr-pg-{gone.pid}-e"
    for path in (*swept, mine, others, leaving):
        (path / "data").mkdir(parents=True)
    (swept[0] / "data" / "postmaster.pid").write_text(f"{gone.pid}\n")
    (leaving / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n")

    sweep(tmp_path)

    assert sorted(tmp_path.iterdir()) == sorted([mine, others, leaving])
