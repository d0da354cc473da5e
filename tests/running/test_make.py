"""What can be typed is what `make help` and CONTRIBUTING.md say."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()

#: What the others begin with, and what says the rest.
UNSAID = {"setup", "help"}


def targets() -> set[str]:
    phony = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    assert phony is not None
    return set(phony[1].split()) - UNSAID


def test_help_says_each_target_once() -> None:
    helped = subprocess.run(
        ["make", "help"],  # noqa: S607 - the make of PATH
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )

    assert sorted(re.findall(r"^make ([\w-]+)", helped.stdout, re.MULTILINE)) == sorted(targets())


def test_contributing_says_each_target() -> None:
    table = re.findall(r"^\| `make ([\w-]+)`", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)

    assert sorted(table) == sorted(targets())


def test_each_target_is_there() -> None:
    assert {name for name in targets() if not re.search(rf"^{name}:", MAKEFILE, re.MULTILINE)} == (
        set()
    )
