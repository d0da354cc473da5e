"""Files with secrets: what others may read is warned of, and nothing of them is shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.cli.program import CommandLine
from vmbackup_core.errors import PermanentError
from vmbackup_operator.cli.secret_files import read_key, read_sas_file

KEY = "ab" * 32


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o610])
def test_a_file_that_others_may_read_is_warned_of(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    told: list[str] = []
    path.write_text(KEY)
    path.chmod(mode)

    read_key(path, told.append)

    (warning,) = told
    assert warning.startswith(f"warning: key file {path} is open to others (mode {mode:04o}); ")
    assert warning.endswith(f"chmod 600 {path}")


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_of_ones_own_is_not(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    told: list[str] = []
    path.write_text(KEY)
    path.chmod(mode)

    read_key(path, told.append)
    read_sas_file(path, told.append)

    assert told == []


def test_a_pipe_is_read_and_is_nobody_elses() -> None:
    reading, writing = os.pipe()
    os.write(writing, KEY.encode())
    os.close(writing)
    told: list[str] = []

    key = read_key(Path(f"/dev/fd/{reading}"), told.append)
    os.close(reading)

    assert key.secret.hex() == KEY
    assert told == []


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/dev/zero", "more than 16384 bytes"),
        ("/", "Is a directory"),
        ("/nowhere", "No such file"),
        ("x" * 300, "File name too long"),
    ],
)
def test_what_can_be_no_such_file_is_told(path: str, said: str) -> None:
    with pytest.raises(PermanentError, match=said) as refused:
        read_key(Path(path), print)
    assert refused.value.reason == "KeyFileUnreadable"

    with pytest.raises(PermanentError, match=said) as refused:
        read_sas_file(Path(path), print)
    assert refused.value.reason == "SasFileUnreadable"


def test_the_warning_does_not_change_the_exit_code(line: CommandLine) -> None:
    line.key_file.chmod(0o644)

    code, out, err = line.run("list")

    assert code == 0
    assert out.startswith("RUN")
    assert err.startswith("vmbackup: warning: key file ")
