"""A layer's bytes depend on names, modes and content, and on nothing else."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from pathlib import Path

from tools.image.layers import layer_of


def fill(root: Path) -> Path:
    (root / "b").mkdir(parents=True)
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    (root / "b" / "program").write_text("#!/bin/sh\n")
    (root / "b" / "program").chmod(0o755)
    (root / "b" / "text").write_text("the same\n")
    (root / "a").write_text("the same\n")
    (root / "empty").touch()
    (root / "also-empty").touch()
    (root / "link").symlink_to("b/text")
    return root


def entries(layer: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        return {entry.name: entry for entry in archive.getmembers()}


def test_two_folders_with_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    one = layer_of(fill(tmp_path / "one"))
    before = os.umask(0o077)
    try:
        other_root = fill(tmp_path / "other")
    finally:
        os.umask(before)
    os.utime(other_root / "a", (1, 1))

    assert layer_of(other_root) == one


def test_its_identity_is_the_digest_of_what_it_is_uncompressed(tmp_path: Path) -> None:
    layer = layer_of(fill(tmp_path / "one"))

    assert layer.diff_id == f"sha256:{hashlib.sha256(gzip.decompress(layer.content)).hexdigest()}"


def test_everything_is_roots_and_only_programs_can_be_run(tmp_path: Path) -> None:
    found = entries(layer_of(fill(tmp_path / "one")).content)

    assert {(entry.uid, entry.gid, entry.mtime) for entry in found.values()} == {(0, 0, 0)}
    assert found["b/program"].mode == 0o755
    assert found["b/text"].mode == 0o644
    assert found["b"].mode == 0o755
    assert found["tmp"].mode == 0o1777


def test_the_same_content_is_held_once(tmp_path: Path) -> None:
    found = entries(layer_of(fill(tmp_path / "one")).content)

    assert found["a"].isreg()
    assert found["b/text"].islnk()
    assert found["b/text"].linkname == "a"
    assert found["empty"].isreg()
    assert found["also-empty"].isreg()


def test_the_same_text_as_a_program_is_held_apart(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("#!/bin/sh\n")
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    (tmp_path / "tool").chmod(0o755)

    found = entries(layer_of(tmp_path).content)

    assert found["tool"].isreg()
    assert found["tool"].mode == 0o755


def test_links_lead_where_they_led(tmp_path: Path) -> None:
    found = entries(layer_of(fill(tmp_path / "one")).content)

    assert found["link"].issym()
    assert found["link"].linkname == "b/text"
