"""Staging on disk keeps the contract, and what is special to files: names, modes, sweeping, memory."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from headrace.errors import ConfigInvalid, EndpointUnreachable
from headrace.staging import NativeBlock
from headrace.stagings.in_memory import InMemoryStaging
from headrace.stagings.local_disk import LocalDiskStaging
from headrace.testing.staging_suite import ROWS, StagingProviderSuite, context, read


class TestLocalDiskStaging(StagingProviderSuite):
    @pytest.fixture(autouse=True)
    def _root(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        self.root = tmp_path_factory.mktemp("staging")

    def provider(self) -> LocalDiskStaging:
        return LocalDiskStaging(self.root)

    def bounded_provider(self, max_bytes: int) -> LocalDiskStaging:
        return LocalDiskStaging(self.root, max_bytes=max_bytes)

    def leftovers(self) -> int:
        return sum(1 for _ in self.root.rglob("*"))


def test_both_providers_seal_equal_rows_with_equal_hashes(tmp_path: Path) -> None:
    seals: list[str] = []
    for provider in (LocalDiskStaging(tmp_path), InMemoryStaging()):
        session = provider.allocate_session(context())
        session.writer().write_batch(ROWS)
        seals.append(session.seal().sha256)
        session.close()

    assert seals[0] == seals[1]


def test_a_run_id_of_any_length_and_content_names_one_directory_below_the_root(tmp_path: Path) -> None:
    hostile = ["../../etc", "a/b", "x" * 5000, "..", ".", "", "\u0000", "ü" * 300]

    for run_id in hostile:
        LocalDiskStaging(tmp_path / "root").allocate_session(context(run_id=run_id, tenant=run_id))

    assert len(list((tmp_path / "root").glob("*/*/0"))) == len(hostile)
    assert list(tmp_path.iterdir()) == [tmp_path / "root"]


def flip(path: Path) -> None:
    """One bit in the middle of the values."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-30]), flip,
                                  lambda path: path.write_bytes(bytes(path.stat().st_size))])  # fmt: skip
def test_what_was_staged_and_was_harmed_since_is_told_by_its_file(
    tmp_path: Path, harm: Callable[[Path], object]
) -> None:
    with closing(LocalDiskStaging(tmp_path).allocate_session(context())) as session:
        session.writer().write_batch(ROWS)
        session.seal()
        (path,) = tmp_path.rglob("rows-0")
        harm(path)

        with pytest.raises(EndpointUnreachable, match="rows-0 is gone, or is not what was staged"):
            list(session.reader().iter_arrow())


def test_blocks_of_which_a_bit_changed_are_not_handed_out(tmp_path: Path) -> None:
    with closing(LocalDiskStaging(tmp_path).allocate_session(context())) as session:
        session.writer().write_native(NativeBlock(format="pgcopy", data=bytes(100), rows=1))
        session.seal()
        flip(tmp_path.joinpath(*session.id.split("/"), "blocks"))

        with pytest.raises(EndpointUnreachable, match="blocks is gone, or is not what was staged"):
            list(session.reader().iter_native())


def test_nobody_else_can_read_what_is_staged(tmp_path: Path) -> None:
    root = tmp_path / "staging"
    root.mkdir(mode=0o755)
    session = LocalDiskStaging(root).allocate_session(context())
    session.writer().write_batch(ROWS)
    session.seal()

    modes = {path.stat().st_mode & 0o777 for path in root.rglob("*") if path.is_dir()} | {root.stat().st_mode & 0o777}
    assert modes == {0o700}
    assert {path.stat().st_mode & 0o777 for path in root.rglob("*") if path.is_file()} == {0o600}


def test_a_root_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "staging").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ConfigInvalid, match="HEADRACE_STAGING_DIR"):
        LocalDiskStaging(tmp_path / "staging").allocate_session(context())


_DIES_WHILE_STAGING = """
import os, sys
from pathlib import Path
from headrace.stagings.local_disk import LocalDiskStaging
from headrace.testing.staging_suite import ROWS, context
session = LocalDiskStaging(Path(sys.argv[1])).allocate_session(context(run_id=sys.argv[2]))
session.writer().write_batch(ROWS)
session.seal()
os.kill(os.getpid(), 9)
"""


def _leave_behind(root: Path, run_id: str) -> None:
    ended = subprocess.run([sys.executable, "-c", _DIES_WHILE_STAGING, str(root), run_id], check=False)
    assert ended.returncode == -9


def test_what_a_killed_process_staged_is_swept(tmp_path: Path) -> None:
    _leave_behind(tmp_path, "run-1")

    sessions, size = LocalDiskStaging(tmp_path).sweep(0, keep=[])

    assert (sessions, size > 0, list(tmp_path.iterdir())) == (1, True, [])


def test_closing_removes_every_directory_that_has_become_empty_and_no_other(tmp_path: Path) -> None:
    """P31"""
    provider = LocalDiskStaging(tmp_path)
    one, other = provider.allocate_session(context(slice_seq=0)), provider.allocate_session(context(slice_seq=1))

    one.close()
    left_by_the_first = sorted(path.name for path in tmp_path.rglob("*"))
    other.close()

    assert left_by_the_first == ["1", "3f0e3c4a-6f0a-4c37-9d4f-0d6f6b0a9a10", "dev"]
    assert list(tmp_path.iterdir()) == []


def test_sweeping_removes_the_directories_of_a_process_that_died_before_it_had_a_session(tmp_path: Path) -> None:
    """P31"""
    for directory in ("dev", "dev/run", "other"):
        (tmp_path / directory).mkdir(mode=0o700)

    LocalDiskStaging(tmp_path).sweep(0, keep=[])

    assert list(tmp_path.iterdir()) == []


def test_sweeping_touches_nothing_that_staging_did_not_make(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "staging", tmp_path / "elsewhere"
    (root / "photos/2024/05").mkdir(parents=True)
    (root / "photos/2024/05/holiday.jpg").write_text("mine")
    (root / "empty").mkdir(mode=0o755)
    (elsewhere / "run/0").mkdir(parents=True, mode=0o700)
    (elsewhere / "run/0/rows-0").write_text("mine")
    (root / "link").symlink_to(elsewhere)
    before = sorted(tmp_path.rglob("*"))

    assert LocalDiskStaging(root).sweep(0, keep=[]) == (0, 0)

    assert sorted(tmp_path.rglob("*")) == before
    assert (elsewhere / "run/0/rows-0").exists()


def test_sessions_that_begin_and_end_while_others_sweep_lose_nothing_and_leave_nothing(tmp_path: Path) -> None:
    """P31"""
    ended = threading.Event()

    def sweep() -> int:
        sessions = 0
        while not ended.is_set():
            sessions += LocalDiskStaging(tmp_path).sweep(0, keep=[])[0]
        return sessions

    def stage(run_id: str) -> None:
        for _ in range(150):
            with closing(LocalDiskStaging(tmp_path).allocate_session(context(run_id=run_id))) as session:
                session.writer().write_batch(ROWS)
                assert read(session) == list(ROWS)

    with ThreadPoolExecutor() as threads:
        sweepers = [threads.submit(sweep) for _ in range(2)]
        try:
            for staged in [threads.submit(stage, "run-1") for _ in range(2)]:
                staged.result()
        finally:
            ended.set()

    assert [sweeper.exception() for sweeper in sweepers] == [None, None]
    assert list(tmp_path.iterdir()) == []


_FILLS_THE_DISK = """
import resource, sys
from pathlib import Path
from headrace.errors import StagingFull
from headrace.stagings.local_disk import LocalDiskStaging
from headrace.testing.staging_suite import context
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
session = LocalDiskStaging(Path(sys.argv[1])).allocate_session(context())
try:
    for _ in range(100):
        session.writer().write_batch([{"text": "x" * 9_999}])
except StagingFull:
    session.close()
    sys.exit(3)
"""


def test_a_session_that_met_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    """P31"""
    ended = subprocess.run([sys.executable, "-c", _FILLS_THE_DISK, str(tmp_path)], check=False)

    assert ended.returncode == 3
    assert list(tmp_path.iterdir()) == []


def test_closing_a_session_whose_files_somebody_deleted_is_no_error(tmp_path: Path) -> None:
    session = LocalDiskStaging(tmp_path).allocate_session(context())
    session.writer().write_batch(ROWS)
    shutil.rmtree(tmp_path / "dev")

    session.close()

    assert list(tmp_path.iterdir()) == []


def test_sweeping_spares_the_runs_it_is_told_to_keep_and_what_is_young(tmp_path: Path) -> None:
    _leave_behind(tmp_path, "run-1")

    assert LocalDiskStaging(tmp_path).sweep(0, keep=["run-1"]) == (0, 0)
    assert LocalDiskStaging(tmp_path).sweep(3600, keep=[]) == (0, 0)


def test_reading_and_writing_a_large_slice_keeps_memory_flat(tmp_path: Path) -> None:
    batch = pa.record_batch([pa.array(range(100_000))], names=["n"])
    session = LocalDiskStaging(tmp_path).allocate_session(context())
    highest = before = pa.total_allocated_bytes()

    for _ in range(50):
        session.writer().write_arrow(batch)
        highest = max(highest, pa.total_allocated_bytes())
    for _ in session.reader().iter_arrow(max_bytes=1_000_000):
        highest = max(highest, pa.total_allocated_bytes())
    session.close()

    assert highest - before < 4 * batch.nbytes


@pytest.mark.parametrize("root", ["file", "file/staging", "dangling"])
def test_a_place_that_cannot_be_used_says_what_to_set(tmp_path: Path, root: str) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")

    with pytest.raises(ConfigInvalid, match=r"Set HEADRACE_DATA \(in plain Python HEADRACE_STAGING_DIR\)"):
        LocalDiskStaging(tmp_path / root).allocate_session(context())


def test_a_session_can_be_read_twice_from_disk(tmp_path: Path) -> None:
    session = LocalDiskStaging(tmp_path).allocate_session(context())
    session.writer().write_batch(ROWS)

    assert read(session) == read(session) == list(ROWS)
