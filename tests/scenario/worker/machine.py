"""A machine for the launch script: a process tree with /etc, /opt, /var and /run of its own.

The network is the host's: what is tested here is what a launch leaves on a machine.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.local_cloud.worker_python import worker_python

PRIVATE = ("etc", "opt", "var", "run")

#: Starts the one unit there is; what it starts lives as long as the machine.
SYSTEMCTL = """#!/bin/bash
echo "$*" >> /run/systemctl.log
stop() { [ ! -f /run/agent.pid ] || { kill "$(cat /run/agent.pid)"; rm /run/agent.pid; }; }
case "$1" in
restart | start)
    stop
    unit=/etc/systemd/system/vmbackup-agent.service
    given=/run/credentials/vmbackup-agent.service
    mkdir -p "$given" /var/lib/vmbackup
    cp "$(sed -n 's/^LoadCredential=agent.json://p' $unit)" "$given/agent.json"
    command="exec $(sed -n 's/^ExecStart=//p' $unit)"
    env -i PATH=/usr/bin:/bin CREDENTIALS_DIRECTORY=$given setsid bash -c "$command" \\
        >> /var/log/agent.log 2>&1 < /dev/null &
    echo $! > /run/agent.pid
    ;;
stop) stop ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Machine:
    """A running machine; *folder* holds its file tree as the host sees it."""

    folder: Path
    pid: int

    def run(
        self, script: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run *script* as a Run Command does, with the protected parameters in *environment*."""
        entering = ["nsenter", "--target", str(self.pid), "--user", "--mount", "--pid"]
        path = f"{self.folder / 'bin'}:/usr/bin:/bin:/usr/sbin:/sbin"
        return subprocess.run(  # noqa: S603 - runs what the test says, that is its purpose
            [*entering, "--preserve-credentials", "/bin/bash", "-s"],
            input=script,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
            env={"PATH": path, **(environment or {})},
        )

    def path(self, absolute: str) -> Path:
        """Return where the host finds the machine's *absolute* path."""
        return self.folder / absolute.lstrip("/")


@contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    """Run a machine whose file tree is in *folder*, until the block ends."""
    for name in PRIVATE:
        (folder / name).mkdir()
    shutil.copytree(
        "/etc/ssl", folder / "etc/ssl", symlinks=True, ignore=shutil.ignore_patterns("private")
    )
    for name in ("hosts", "passwd", "ld.so.cache", "nsswitch.conf"):
        if Path("/etc", name).exists():
            shutil.copyfile(Path("/etc", name), folder / "etc" / name)
    (folder / "var/log").mkdir()
    programs = folder / "bin"
    programs.mkdir()
    (programs / "python3").symlink_to(worker_python().executable)
    (programs / "systemctl").write_text(SYSTEMCTL)
    (programs / "systemctl").chmod(0o755)
    binds = "; ".join(f"mount --bind {folder / name} /{name}" for name in PRIVATE)
    inside = f"set -e; mount --make-rprivate /; {binds}; echo ready; exec sleep infinity"
    command = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork"]
    command += ["--kill-child=SIGKILL", "--mount-proc", "/bin/bash", "-c", inside]
    with subprocess.Popen(  # noqa: S603 - built above
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield Machine(folder, _first_process(process))
        finally:
            process.kill()


def _first_process(outer: subprocess.Popen[bytes]) -> int:
    """Return the host's id of the machine's first process, once it is ready."""
    assert outer.stdout is not None
    assert outer.stderr is not None
    if outer.stdout.readline() != b"ready\n":
        raise RuntimeError(f"no machine: {outer.stderr.read().decode()}")
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    deadline = time.monotonic() + 60
    while not (found := children.read_text().split()):
        if time.monotonic() > deadline:
            raise RuntimeError("no machine: unshare has no child")
        time.sleep(0.01)
    return int(found[0])
