"""The repositories that tests of the command line read, for those that start it as a program."""

from __future__ import annotations

from tests.unit.cli.conftest import filled, filled_line, key_file, line, repository

__all__ = ["filled", "filled_line", "key_file", "line", "repository"]
