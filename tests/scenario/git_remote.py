"""A repository of git's on loopback, over HTTP, by the `http-backend` that git comes with."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from typing_extensions import override

from tests.loopback_server import LoopbackServer, serving

#: What git goes by: nothing of whoever runs the test.
_ENVIRONMENT = {
    "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}
_AUTHOR = ("-c", "user.name=web-team", "-c", "user.email=web-team@example.com")
BRANCH = "main"


@dataclass(frozen=True, slots=True)
class GitRemote:
    """A repository with a branch, whose files are in *folder*, and where it is cloned from."""

    folder: Path
    url: str

    def commit(self, files: Path) -> str:
        """Make what is in the folder *files* the branch's content; return the commit's id."""
        for path in self.folder.iterdir():
            if path.name != ".git":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(files, self.folder, dirs_exist_ok=True)
        _git(self.folder, "add", "--all")
        _git(self.folder, *_AUTHOR, "commit", "--quiet", "--message=Change")
        return _git(self.folder, "rev-parse", "HEAD").strip()


@contextmanager
def git_remote(folder: Path) -> Iterator[GitRemote]:
    """Serve an empty repository that lies in *folder*, until the block ends."""
    folder.mkdir(parents=True)
    _git(folder, "init", "--quiet", f"--initial-branch={BRANCH}")
    with serving(server := _Server(folder.parent)):
        yield GitRemote(folder, f"http://127.0.0.1:{server.port}/{folder.name}")


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(  # noqa: S603 - git, with words of ours
        ["git", "-C", str(folder), *words],  # noqa: S607 - the git of PATH
        env=_ENVIRONMENT,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


class _Server(LoopbackServer):
    """Serves the repositories that lie in *folder*."""

    def __init__(self, folder: Path) -> None:
        super().__init__(_Backend)
        self.folder = folder


class _Backend(BaseHTTPRequestHandler):
    """Has each request answered by git itself, as a CGI program."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self._body())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        asked = {
            "GIT_PROJECT_ROOT": str(self.server.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(
            ["git", "http-backend"],  # noqa: S607 - the git of PATH
            input=body,
            env=_ENVIRONMENT | asked,
            check=True,
            capture_output=True,
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        said = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(said.pop("Status", "200").split()[0]))
        for name, value in said.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the server's lines would be among the tests' own."""
