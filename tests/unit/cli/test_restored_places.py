"""Where disks are restored to: their files' names, what is there, and what a failure leaves."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.cli.program import (
    CommandLine,
    Filled,
    a_disk,
    disk_content,
    names_in,
    restore_all,
)
from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.control.points.points import PointDisk
from vmbackup_operator.cli.file_names import file_names
from vmbackup_operator.cli.restored_file import Link, restored_file
from vmbackup_operator.cli.targets import Kind, Target, look_at, objection

MIB = 1024**2
A_DISK = a_disk()


def disk(name: str, lun: int | None) -> PointDisk:
    return msgspec.structs.replace(A_DISK, name=name, lun=lun)


# names


@pytest.mark.parametrize(
    ("disks", "names"),
    [
        pytest.param([("os", None), ("data", 0)], ["os", "data"], id="their own"),
        pytest.param([("d", None), ("d", 0)], ["d-os", "d-lun0"], id="two of one name"),
        pytest.param(
            [("d", 0), ("d", 1), ("d-lun0", 2)], ["d-lun0-2", "d-lun1", "d-lun0"], id="a third's"
        ),
        pytest.param(
            [("d", 0), ("d-lun0", 1), ("d-lun0", 2), ("d", 3)],
            ["d-lun0", "d-lun0-lun1", "d-lun0-lun2", "d-lun3"],
            id="one after the other",
        ),
        pytest.param([("Data", 0), ("data", 1)], ["Data-lun0", "data-lun1"], id="case alone"),
        pytest.param([("d", 0), ("d", 0)], ["d-lun0", "d-lun0-2"], id="one LUN"),
    ],
)
def test_disks_get_names_of_their_own(
    disks: list[tuple[str, int | None]], names: list[str]
) -> None:
    found = file_names([disk(name, lun) for name, lun in disks])

    assert found == [f"{name}.img" for name in names]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["d", "D", "d-lun0", "d-lun0-2", "d-os", "d-lun1"]),
            st.sampled_from([None, 0, 1]),
        ),
        max_size=9,
    )
)
def test_no_two_names_are_alike(disks: list[tuple[str, int | None]]) -> None:
    names = file_names([disk(name, lun) for name, lun in disks])

    assert len({name.casefold() for name in names}) == len(disks)


@pytest.mark.parametrize("name", ["../etc/passwd", "/x", ".hidden", "a\0b", ".."])
def test_a_disks_name_leads_out_of_no_folder(name: str) -> None:
    with pytest.raises(PermanentError, match="makes no file name"):
        file_names([disk(name, 0)])


def test_three_disks_of_which_two_would_get_one_name_are_all_there(
    filled: Filled, filled_line: CommandLine, tmp_path: Path
) -> None:
    filled.add_disks(1, [("d", 0), ("d", 1), ("d-lun0", 2)])

    code, _, _ = restore_all(filled_line, tmp_path / "to")

    assert code == 0
    names = ["d-lun0-2.img", "d-lun1.img", "d-lun0.img"]
    for place, name in enumerate(names):
        assert (tmp_path / "to" / name).read_bytes() == disk_content(place)


def test_a_file_that_is_there_stops_all_before_anything_is_written(
    filled: Filled, filled_line: CommandLine, tmp_path: Path
) -> None:
    filled.add_disks(1, [("a", 0), ("b", 1)])
    (tmp_path / "b.img").write_text("precious")

    code, out, err = restore_all(filled_line, tmp_path)

    assert (code, out) == (2, "")
    assert "FileExists" in err
    assert not (tmp_path / "a.img").exists()


# what is there


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("kind", "size_bytes", "unforced", "forced"),
    [
        ("nothing", 0, None, None),
        ("file", 0, "FileExists", None),
        ("device", 9, "FileExists", "DeviceTooSmall"),
        ("device", 10, "FileExists", None),
        ("device", 11, "FileExists", None),
        ("folder", 0, "NotAFile", "NotAFile"),
        ("other", 0, "NotAFile", "NotAFile"),
    ],
)
def test_what_may_be_written_to(
    kind: Kind, size_bytes: int, unforced: str | None, forced: str | None, *, force: bool
) -> None:
    found = objection(Target(Path("x"), kind, size_bytes), "os", 10, force=force)

    assert (None if found is None else found.reason) == (forced if force else unforced)


def test_what_is_there_is_seen_behind_links(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    links = {"to-file": "file", "to-folder": ".", "nowhere": "gone", "loop": "loop"}
    for name, to in {**links, "to-null": "/dev/null"}.items():
        (tmp_path / name).symlink_to(to)
    os.mkfifo(tmp_path / "pipe")

    seen = {name: look_at(tmp_path / name).kind for name in names_in(tmp_path)}

    assert seen == {
        "file": "file",
        "to-file": "file",
        "to-folder": "folder",
        "nowhere": "file",
        "loop": "file",
        "to-null": "other",
        "pipe": "other",
    }
    assert look_at(tmp_path / "new").kind == "nothing"
    assert look_at(Path("/")).kind == "folder"
    assert look_at(Path()).kind == "folder"


@pytest.mark.parametrize("name", ["file/x.img", "x" * 256])
def test_a_place_that_cannot_be_is_refused_before_anything_is_read(
    filled: Filled, filled_line: CommandLine, tmp_path: Path, name: str
) -> None:
    filled.add(1, "web", "2026-11-20")
    (tmp_path / "file").write_text("precious")
    shutil.rmtree(filled.folder / "data" / "c")

    code, _, err = filled_line.run(
        "restore", "--point", "latest", "--disk", "os", "--to", str(tmp_path / name)
    )

    assert code == 2
    assert "RestoreFailed: " in err
    assert (tmp_path / "file").read_text() == "precious"


# files


def no_link(number: int) -> Link:
    """Return what gives no file a second name, as a file system without links."""

    def link(_path: Path, _other: Path) -> None:
        raise OSError(number, os.strerror(number))

    return link


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS])
def test_where_links_are_not_to_be_had_a_file_is_renamed(tmp_path: Path, number: int) -> None:
    with restored_file(tmp_path / "os.img", 10, force=False, link=no_link(number)) as file:
        file.write_at(2, b"data")

    assert (tmp_path / "os.img").read_bytes() == b"\0\0data\0\0\0\0"
    assert names_in(tmp_path) == ["os.img"]


def restore_while(path: Path, happens: Callable[[], object], link: Link = os.link) -> None:
    with restored_file(path, 4, force=False, link=link) as file:
        file.write_at(0, b"data")
        happens()


@pytest.mark.parametrize("link", [os.link, no_link(errno.EPERM)], ids=["links", "none"])
def test_a_finished_restore_is_kept_where_its_name_was_taken_meanwhile(
    tmp_path: Path, link: Link
) -> None:
    path = tmp_path / "os.img"

    with pytest.raises(PermanentError, match="exists; the restored disk is whole, in") as ended:
        restore_while(path, lambda: path.write_text("somebody's"), link)

    (kept,) = [each for each in tmp_path.iterdir() if each != path]
    assert ended.value.reason == "RestoredElsewhere"
    assert str(kept) in str(ended.value)
    assert kept.read_bytes() == b"data"
    assert path.read_text() == "somebody's"


def test_a_finished_restore_is_kept_where_force_cannot_replace(tmp_path: Path) -> None:
    path = tmp_path / "os.img"

    def restore() -> None:
        with restored_file(path, 4, force=True) as file:
            file.write_at(0, b"data")
            path.mkdir()

    with pytest.raises(PermanentError, match="the restored disk is whole, in"):
        restore()
    (kept,) = [each for each in tmp_path.iterdir() if each != path]
    assert kept.read_bytes() == b"data"


def test_an_unfinished_one_is_not_kept(tmp_path: Path) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        restore_while(tmp_path / "os.img", fail)

    assert names_in(tmp_path) == []


def test_a_name_as_long_as_can_be_is_restored_to(tmp_path: Path) -> None:
    path = tmp_path / ("ä" * 125 + ".img")

    with restored_file(path, 4, force=False) as file:
        file.write_at(0, b"data")

    assert path.read_bytes() == b"data"


def test_restored_files_are_read_by_nobody_else(
    filled: Filled, filled_line: CommandLine, tmp_path: Path
) -> None:
    filled.add(1, "web", "2026-11-20")
    replaced = tmp_path / "os.img"
    replaced.write_text("open to all")
    replaced.chmod(0o666)

    assert restore_all(filled_line, tmp_path, "--force")[0] == 0
    assert replaced.stat().st_mode & 0o777 == 0o600
