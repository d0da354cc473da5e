"""The launch script against a server that fails in the middle of an answer."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from typing_extensions import override

from tests.loopback_server import LoopbackServer, serving
from vmbackup_core.protocol import bundle_file, bundle_list, launch_script


class Folder(LoopbackServer):
    """Serves *files*, the first answer cut after half of its bytes."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(_Handler)
        self.files = files
        self.cut: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: Folder

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].rpartition("/")[2]
        data = self.server.files[name]
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.server.cut:
            self.wfile.write(data)
        else:
            self.server.cut.append(name)
            self.wfile.write(data[: len(data) // 2])


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    (tmp_path / "install.sh").write_text("echo installed\n")
    listed = bundle_list("3.10", "linux_x86_64", [bundle_file(tmp_path / "install.sh")])
    files = {"bundle.json": listed.encoded(), "install.sh": b"echo installed\n"}
    server = Folder(files)
    with serving(server):
        yield server


def test_an_answer_that_is_cut_is_asked_for_again(folder: Folder) -> None:
    ran = subprocess.run(
        ["/bin/bash", "-s"],
        input=launch_script(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "VMBACKUP_BUNDLE_URL": f"http://127.0.0.1:{folder.port}/b?sig=x",
            "VMBACKUP_BUNDLE_SHA256": hashlib.sha256(folder.files["bundle.json"]).hexdigest(),
        },
    )

    assert (ran.returncode, ran.stdout) == (0, "installed\n"), ran.stderr
    assert folder.cut == ["bundle.json"]
