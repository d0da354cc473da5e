"""Programs of the local cloud keep to their own folder."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tools.local_cloud.processes import start_program


def test_temporary_files_lie_beside_the_log_whatever_the_environment_says(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    program = start_program(["env"], folder / "log", {"TMPDIR": tempfile.gettempdir(), "A": "1"})
    program.process.wait(20)

    assert {"A=1", f"TMPDIR={folder}", f"HOME={folder}"} <= set(program.last_words().splitlines())
