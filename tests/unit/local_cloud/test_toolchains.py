"""Which of PATH's programs are new enough."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.local_cloud.toolchains import go, on_path


@pytest.fixture
def old_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Go 1.26.3 that is the first one of PATH."""
    program = tmp_path / "go"
    program.write_text("#!/bin/sh\necho go version go1.26.3 linux/amd64\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return program


@pytest.mark.parametrize(
    ("oldest", "taken"),
    [
        ((1, 26), True),
        ((1, 26, 0), True),
        ((1, 26, 3), True),
        ((1, 26, 7), False),
        ((1, 27), False),
        ((2,), False),
    ],
)
def test_a_program_is_taken_where_it_is_new_enough_to_the_patch(
    old_go: Path, oldest: tuple[int, ...], *, taken: bool
) -> None:
    found = on_path("go", ("version",), oldest)

    assert found == (old_go if taken else None)


def test_a_module_says_which_go_it_needs(tmp_path: Path, old_go: Path) -> None:
    (tmp_path / "go.mod").write_text("module m\n\ngo 1.26.3\n\ntool t/cmd\n")

    assert go(tmp_path) == old_go


def test_a_module_that_does_not_say_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module m\n")

    with pytest.raises(LookupError, match=r"go\.mod does not say which Go it needs"):
        go(tmp_path)
