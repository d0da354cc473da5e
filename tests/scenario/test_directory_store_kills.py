"""A process that is killed while it stores leaves whole objects only."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vmbackup_core.stores.directory import DirectoryStore

WRITER = """
import hashlib, sys
from pathlib import Path
from vmbackup_core.stores.directory import DirectoryStore
store = DirectoryStore(Path(sys.argv[1]))
for number in range(1_000_000):
    name = f"c/{number % 7}/p/{number:08x}"
    store.put_new(name, hashlib.sha256(name.encode()).digest() * 8192)
"""


def stored(folder: Path) -> int:
    return sum(1 for _ in DirectoryStore(folder).list("c/"))


@pytest.mark.parametrize("objects", [1, 9, 30])
def test_a_killed_writer_leaves_whole_objects_only(tmp_path: Path, objects: int) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)])  # noqa: S603 - our own
    try:
        deadline = time.monotonic() + 60
        while stored(tmp_path) < objects and time.monotonic() < deadline:
            time.sleep(0.001)
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()

    store = DirectoryStore(tmp_path)
    found = list(store.list(""))
    assert len(found) >= objects
    for each in found:
        assert store.get(each.name) == hashlib.sha256(each.name.encode()).digest() * 8192
