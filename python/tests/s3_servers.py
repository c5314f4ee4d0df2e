"""Real S3 servers for tests: SeaweedFS, versitygw, and SeaweedFS behind a proxy that hides conditions from it.

``scripts/systems.sh`` installs them and says where they are. A server that is
not there or does not start fails the tests that need it.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import datetime
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pyarrow.fs as pafs
import pytest
from condition_hiding_proxy import hiding_conditions
from left_behind import temporary_folder

from headrace.objects.address import ObjectAddress
from headrace.objects.bucket import Bucket, Found

ACCESS_KEY, SECRET_KEY = "headrace", "headrace-secret"
BUCKET = "headrace"
TABLES = "lake"
LOG = "log"
NAMES: Mapping[str, str] = {
    part: part for part in ("endpoint", "region", "bucket", "prefix", "access_key_id", "secret_access_key")
}


@dataclass(frozen=True, slots=True)
class S3Server:
    name: str
    port: int
    iceberg_port: int | None = None
    """Of its Iceberg catalog, which keeps its tables in the bucket ``TABLES``."""

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def address(self, prefix: str = "", **changes: str) -> ObjectAddress:
        said = {
            "endpoint": self.endpoint,
            "bucket": BUCKET,
            "prefix": prefix,
            "access_key_id": ACCESS_KEY,
            "secret_access_key": SECRET_KEY,
            **changes,
        }
        return ObjectAddress.parse(said, NAMES)

    def parameters(self, base_prefix: str = "", **changes: str) -> dict[str, str]:
        """Of the template ``object.s3``."""
        return {
            "endpoint_url": self.endpoint,
            "bucket": BUCKET,
            "base_prefix": base_prefix,
            "access_key_id": ACCESS_KEY,
            "secret_access_key": SECRET_KEY,
            **changes,
        }

    def stranger(self) -> pafs.FileSystem:
        """Another client than the product's, to look what is there."""
        return pafs.S3FileSystem(
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            endpoint_override=f"127.0.0.1:{self.port}",
            scheme="http",
            region="us-east-1",
            background_writes=False,
        )

    def keys(self, prefix: str) -> list[str]:
        """Every object below a prefix, relative to it."""
        base = f"{BUCKET}/{prefix}"
        found = self.stranger().get_file_info(pafs.FileSelector(base, allow_not_found=True, recursive=True))
        return sorted(info.path.removeprefix(f"{base}/") for info in found if info.type == pafs.FileType.File)

    def read(self, key: str) -> bytes:
        with self.stranger().open_input_stream(f"{BUCKET}/{key}", compression=None) as stream:
            return stream.read()

    def write(self, key: str, content: bytes) -> None:
        with self.stranger().open_output_stream(f"{BUCKET}/{key}", compression=None) as stream:
            stream.write(content)

    def delete(self, key: str) -> None:
        self.stranger().delete_file(f"{BUCKET}/{key}")


def fresh_prefix() -> str:
    """Nobody else's, of all tests that share a server."""
    return f"t{uuid.uuid4().hex[:12]}"


def hours_of_objects(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The clock of the servers, for listings of a folder: an object whose key stands here came at that hour."""
    hours: dict[str, int] = {}
    real = Bucket.folder

    def dated(found: Found) -> Found:
        if found.key not in hours:
            return found
        start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
        return replace(found, modified=start + datetime.timedelta(hours=hours[found.key]))

    def folder(bucket: Bucket, path: str) -> tuple[list[str], list[Found]]:
        folders, objects = real(bucket, path)
        return folders, [dated(found) for found in objects]

    monkeypatch.setattr(Bucket, "folder", folder)
    return hours


def s3_server(name: str = "seaweedfs") -> S3Server:
    """Started once a process; ends with it."""
    return _started(name)


@cache
def _started(name: str) -> S3Server:
    match name:
        case "seaweedfs":
            return S3Server(name, *_seaweedfs())
        case "versitygw":
            return S3Server(name, _versitygw())
        case _:
            return S3Server(name, hiding_conditions(_started("seaweedfs").port, ACCESS_KEY, SECRET_KEY))


def _seaweedfs() -> tuple[int, int]:
    folder = _folder()
    s3, iceberg, filer, master, volume, admin = _ports(6)
    command = [
        _binary("HEADRACE_TEST_WEED"), f"-logdir={folder}", "mini", f"-dir={folder}", "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1", "-master.telemetry=false", "-admin.ui=false", "-webdav=false", f"-bucket={BUCKET}",
        f"-tableBucket={TABLES}", f"-s3.port={s3}", f"-s3.port.iceberg={iceberg}", "-s3.port.lance=0",
        f"-filer.port={filer}", f"-master.port={master}", f"-volume.port={volume}", f"-admin.port={admin}",
    ]  # fmt: skip
    # It takes every variable that is named like one of its flags for that flag: hence an environment of its own.
    keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    process = _spawned(command, {"PATH": os.environ["PATH"], "HOME": str(folder), **keys}, folder)
    _await(process, folder, lambda: b"All enabled components are running" in (folder / LOG).read_bytes())
    return s3, iceberg


def _versitygw() -> int:
    folder = _folder()
    (folder / BUCKET).mkdir()
    (port,) = _ports(1)
    command = [_binary("HEADRACE_TEST_VERSITYGW"), "--port", f"127.0.0.1:{port}", "posix", str(folder)]
    keys = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
    process = _spawned(command, {"PATH": os.environ["PATH"], **keys}, folder)
    _await(process, folder, lambda: _answers(port))
    return port


def _binary(variable: str) -> str:
    found = os.environ.get(variable, "")
    assert found and Path(found).exists(), f"{variable} names no program: run npm run test:systems"
    return found


def _folder() -> Path:
    folder = temporary_folder("s3")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _spawned(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> subprocess.Popen[bytes]:
    log = (folder / LOG).open("wb")
    process = subprocess.Popen[bytes](
        command, env=dict(environment), cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        preexec_fn=_end_with_parent,
    )  # fmt: skip

    def end() -> None:
        process.kill()
        process.wait()

    atexit.register(end)
    return process


def _end_with_parent() -> None:
    """Ask the kernel to stop the server when the tests are killed; called in the child."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _await(process: subprocess.Popen[bytes], folder: Path, is_ready: Callable[[], bool]) -> None:
    while process.poll() is None:
        if is_ready():
            return
        os.sched_yield()
    raise AssertionError(f"the server did not start: {(folder / LOG).read_text()[-2000:]}")


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _ports(count: int) -> list[int]:
    """Free ones, below those that the server adds ten thousand to for its other protocol."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
    return found
