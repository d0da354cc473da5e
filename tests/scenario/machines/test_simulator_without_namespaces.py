"""Where the kernel forbids what VMs are made of, the simulator does not start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import azure_simulator


def test_the_simulator_ends_with_what_to_enable_and_writes_nothing(tmp_path: Path) -> None:
    programs, azurite = tmp_path / "bin", tmp_path / "azurite"
    programs.mkdir()
    azurite.mkdir()
    (azurite / "package.json").write_text("{}")
    refusing = programs / "unshare"
    refusing.write_text("#!/bin/sh\necho 'unshare: Operation not permitted' >&2\nexit 1\n")
    refusing.chmod(0o755)
    state = tmp_path / "state"
    path = [str(Path(azure_simulator.__path__[0]).parent), os.environ.get("PYTHONPATH", "")]

    ended = subprocess.run(  # noqa: S603 - our own program
        [
            *(sys.executable, "-m", "azure_simulator", "--state", str(state)),
            *("--node", sys.executable, "--azurite", str(azurite)),
        ],
        env={**os.environ, "PATH": str(programs), "PYTHONPATH": os.pathsep.join(path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    assert "Operation not permitted" in ended.stderr
    assert "--security-opt seccomp=unconfined" in ended.stderr
    assert not state.exists()
