"""A golden repository, copied, with its key; and one to be filled."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.format.repository.golden import expected, repository_folder
from tests.unit.cli.program import CommandLine, Filled, fill


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(f"{expected('1.0').key}\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return Path(shutil.copytree(repository_folder("1.0"), tmp_path / "repository"))


@pytest.fixture
def line(repository: Path, key_file: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(repository, key_file, capsys)


@pytest.fixture
def filled(tmp_path: Path) -> Filled:
    return fill(tmp_path / "filled")


@pytest.fixture
def filled_line(filled: Filled, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    key = tmp_path / "filled-key"
    key.write_text(filled.bench.key.text)
    key.chmod(0o600)
    return CommandLine(filled.folder, key, capsys)
