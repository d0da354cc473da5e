"""Scratch folders go with who made them, or with the next one where that was killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.bench.engine.scratch import remove_left, scratch_folder


def test_a_scratch_folder_goes_when_its_block_ends_however_that_ends(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        _break_off(tmp_path)

    assert list(tmp_path.iterdir()) == []


def _break_off(where: Path) -> None:
    with scratch_folder(where) as scratch:
        (scratch / "file").write_bytes(b"something")
        raise KeyboardInterrupt


def test_what_was_left_goes_and_what_is_worked_in_stays(tmp_path: Path) -> None:
    left = tmp_path / "scratch-of-one-that-was-killed"
    (left / "deep").mkdir(parents=True)
    with scratch_folder(tmp_path) as scratch:
        remove_left(tmp_path)

        assert list(tmp_path.iterdir()) == [scratch]


def test_what_is_kept_is_no_scratch_folder(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    remove_left(tmp_path)

    assert (tmp_path / "images").is_dir()
