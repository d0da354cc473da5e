"""What is installed from a registry is locked by its hash, whatever it is for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LOCKS = sorted(
    [*ROOT.glob("tools/python/requirements*.txt"), ROOT / "worker_agent/requirements.txt"]
)

#: Where commands are written that install.
SCRIPTS = [ROOT / "Makefile", ROOT / ".ci" / "run", *ROOT.glob("tools/**/*.sh")]
INSTALLS = re.compile(
    r"(?:pip3?\"? (?:install|download)|npm (?:ci|i|install)|go (?:install|get)) .*"
)


@pytest.mark.parametrize("lock", LOCKS, ids=[str(lock.relative_to(ROOT)) for lock in LOCKS])
def test_each_line_of_a_lock_has_its_hash(lock: Path) -> None:
    blocks = re.split(r"^(?=\S)", lock.read_text(), flags=re.MULTILINE)
    pinned = [block for block in blocks if block and not block.startswith("#")]

    assert pinned
    assert all(re.match(r"[\w.-]+==\S+", block) for block in pinned)
    assert all("--hash=sha256:" in block for block in pinned)


def test_no_command_installs_what_is_not_locked() -> None:
    installing = [
        (script.name, found[0])
        for script in SCRIPTS
        for found in INSTALLS.finditer(script.read_text())
    ]
    loose = [
        (name, command)
        for name, command in installing
        if "--require-hashes" not in command and not command.endswith("--editable .")
    ]

    assert len(installing) >= 3  # uv's lock, ours, the checkout itself
    assert loose == []


def test_what_both_locks_have_is_of_one_version() -> None:
    """Installing the second one must not replace what the first one brought."""
    versions: dict[str, set[str]] = {}
    for name in ("requirements-set-up.txt", "requirements.txt"):
        lock = (ROOT / "tools" / "python" / name).read_text()
        for package, version in re.findall(r"^([\w.-]+)==(\S+)", lock, re.MULTILINE):
            versions.setdefault(package, set()).add(version)

    assert {package: found for package, found in versions.items() if len(found) > 1} == {}
    assert {"uv", "hatchling", "editables"} <= versions.keys()
