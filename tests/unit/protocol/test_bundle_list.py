"""The bundle's list: a folder that is not just what it says is refused by the file's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmbackup_core.errors import PermanentError
from vmbackup_core.protocol import BUNDLE_LIST, BundleList, bundle_file, bundle_list, read_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> BundleList:
    (tmp_path / "install.sh").write_bytes(b"#!/bin/bash\n")
    (tmp_path / "a.tar").write_bytes(b"a" * 1000)
    files = [bundle_file(tmp_path / name) for name in ("install.sh", "a.tar")]
    listed = bundle_list("3.10", "manylinux_2_28_x86_64", files)
    (tmp_path / BUNDLE_LIST).write_bytes(listed.encoded())
    return listed


def refused(folder: Path) -> str:
    with pytest.raises(PermanentError) as bad:
        read_bundle(folder)
    assert bad.value.reason == "BadBundle"
    return str(bad.value)


def test_a_whole_bundle_is_read(bundle: BundleList, tmp_path: Path) -> None:
    assert read_bundle(tmp_path) == bundle
    assert [file.name for file in bundle.files] == ["a.tar", "install.sh"]


def test_the_id_follows_from_the_files(bundle: BundleList) -> None:
    assert bundle_list("3.10", bundle.platform, bundle.files[::-1]).id == bundle.id
    assert bundle_list("3.11", bundle.platform, bundle.files).id != bundle.id
    assert bundle_list("3.10", bundle.platform, bundle.files[:1]).id != bundle.id


@pytest.mark.usefixtures("bundle")
def test_one_wrong_byte_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"a" * 999 + b"b")

    assert "a.tar" in refused(tmp_path)


@pytest.mark.usefixtures("bundle")
def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "install.sh").unlink()

    assert "install.sh" in refused(tmp_path)


@pytest.mark.usefixtures("bundle")
def test_a_list_that_was_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / BUNDLE_LIST
    path.write_bytes(path.read_bytes().replace(b"3.10", b"3.12"))

    assert BUNDLE_LIST in refused(tmp_path)


@pytest.mark.usefixtures("bundle")
def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / BUNDLE_LIST
    path.write_bytes(path.read_bytes().replace(b"a.tar", b"../a.tar"))

    assert BUNDLE_LIST in refused(tmp_path)


def test_a_folder_without_a_bundle_is_named(tmp_path: Path) -> None:
    assert str(tmp_path) in refused(tmp_path)
