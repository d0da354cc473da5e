"""A repository of two points, copied, with its key; and one to be filled."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.unit.cli.program import CommandLine, Filled, fill, two_points
from tests.unit.repository.primitives.keepers import A


def key_in(path: Path) -> Path:
    path.write_text(f"{A.secret.hex()}\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return key_in(tmp_path / "key")


@pytest.fixture
def repository(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = two_points(tmp_path_factory.getbasetemp())
    return Path(shutil.copytree(made, tmp_path / "repository"))


@pytest.fixture
def line(repository: Path, key_file: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(repository, key_file, capsys)


@pytest.fixture
def filled(tmp_path: Path) -> Filled:
    return fill(tmp_path / "filled")


@pytest.fixture
def filled_line(filled: Filled, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(filled.folder, key_in(tmp_path / "filled-key"), capsys)


@pytest.fixture
def copied(repository: Path, tmp_path: Path) -> Path:
    """Return a copy of the repository from before the damage."""
    return Path(shutil.copytree(repository, tmp_path / "copy"))
