"""A recovery point by its run id, its first digits, latest, or its name in a cluster."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.program import CONTENT, CommandLine, Filled, point_path, spoil
from vmbackup_core.ids import RunId
from vmbackup_operator.cli.wanted_points import ByName, ByRun, Latest, wanted_point
from vmbackup_operator.naming import recovery_point_name


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "restored"


def restore(line: CommandLine, to: Path, *more: str) -> tuple[int, str, str]:
    return line.run("restore", "--all", "--to", str(to), *more)


def listed(line: CommandLine, *more: str) -> list[str]:
    code, out, _ = line.run("list", "--json", *more)
    assert code == 0
    return [point["runId"] for point in json.loads(out)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("latest", Latest()),
        ("0123", ByRun("0123")),
        ("ABCDEF" * 5, ByRun("abcdef" * 5)),
        ("f" * 32, ByRun("f" * 32)),
        ("web-01-202611260200-0fd466", ByName("web-01-202611260200-0fd466", "0fd466")),
        ("vm-202611260200-0fd466", ByName("vm-202611260200-0fd466", "0fd466")),
    ],
)
def test_what_names_a_point(text: str, wanted: object) -> None:
    assert wanted_point(text) == wanted


@pytest.mark.parametrize(
    "text", ["", "012", "f" * 33, "Latest", "newest", "g123", "../0123", "web-01", "0123 ", "0x12"]
)
def test_what_names_none(text: str) -> None:
    with pytest.raises(ValueError, match="names no recovery point"):
        wanted_point(text)


def test_the_first_digits_do_where_one_run_has_them(
    filled: Filled, filled_line: CommandLine, to: Path
) -> None:
    filled.add(1, "web", "2026-11-20")
    filled.add(2, "web", "2026-11-21")

    code, _, _ = restore(filled_line, to, "--point", "1000")

    assert code == 0
    assert (to / "os.img").read_bytes() == CONTENT
    assert listed(filled_line, "--point", "2000") == [f"2{'0' * 27}0002"]


def test_digits_of_several_runs_name_them(
    filled: Filled, filled_line: CommandLine, to: Path
) -> None:
    runs = [filled.add(number, "web", "2026-11-20").run_id for number in (1, 10, 2)]

    code, _, err = restore(filled_line, to, "--point", "1000")

    assert code == 2
    assert err.startswith("vmbackup: AmbiguousPoint: --point 1000 means several recovery points: ")
    assert [run in err for run in runs] == [True, True, False]
    assert "write more of the run id" in err
    assert not to.exists()


def test_the_name_of_the_recovery_points_object_does_without_a_cluster(
    filled: Filled, filled_line: CommandLine, to: Path
) -> None:
    meant = filled.add(1, "Web_01", "2026-11-20T02:00")
    filled.add(10, "Web_01", "2026-11-21T02:00")
    name = recovery_point_name("Web_01", meant.created_at, meant.run_id)

    assert name == "web-01-202611200200-100000"
    assert restore(filled_line, to, "--point", name)[0] == 0
    assert listed(filled_line, "--point", name) == [meant.run_id]
    code, _, err = restore(filled_line, to, "--point", "web-01-202611190200-100000")
    assert code == 2
    assert "NoRecoveryPoint: the repository has no recovery point web-01-202611190200" in err


def test_latest_is_the_newest_of_the_only_vm(
    filled: Filled, filled_line: CommandLine, to: Path
) -> None:
    filled.add(3, "web", "2026-11-20")
    newest = filled.add(1, "web", "2026-11-22")
    filled.add(2, "web", "2026-11-21")

    code, out, _ = restore(filled_line, to, "--point", "latest", "--json")

    assert code == 0
    assert [each["disk"] for each in json.loads(out)] == ["os"]
    assert listed(filled_line, "--point", "latest") == [newest.run_id]


def test_latest_among_several_vms_needs_one_of_them(
    filled: Filled, filled_line: CommandLine, to: Path
) -> None:
    web = filled.add(1, "web", "2026-11-20")
    db = filled.add(2, "db", "2026-11-21")
    filled.add(3, "web", "2026-11-19")

    code, _, err = restore(filled_line, to, "--point", "latest")
    assert code == 2
    assert "AmbiguousPoint: --point latest means of several VMs: " in err
    assert web.vm_id in err
    assert db.vm_id in err
    assert "--vm" in err

    assert restore(filled_line, to, "--point", "latest", "--vm", "WEB")[0] == 0
    assert listed(filled_line, "--point", "latest") == [web.run_id, db.run_id]
    assert listed(filled_line, "--vm", "web") == [f"3{'0' * 27}0003", web.run_id]


def test_vms_of_one_name_are_told_apart_by_their_ids(
    filled: Filled, filled_line: CommandLine, to: Path
) -> None:
    filled.add(1, "web", "2026-11-20", group="one")
    other = filled.add(2, "web", "2026-11-21", group="two")

    assert restore(filled_line, to, "--point", "latest", "--vm", "web")[0] == 2
    assert restore(filled_line, to, "--point", "latest", "--vm", other.vm_id.upper())[0] == 0
    assert listed(filled_line, "--vm", other.vm_id) == [other.run_id]


def test_a_point_of_another_vm_is_not_taken(
    filled: Filled, filled_line: CommandLine, to: Path
) -> None:
    run = filled.add(1, "web", "2026-11-20").run_id

    code, _, err = restore(filled_line, to, "--point", run, "--vm", "db")

    assert code == 2
    assert f"no recovery point {run} of VM db" in err


def spoil_point(filled: Filled, run: RunId) -> str:
    """Damage the recovery point of *run*; return its name."""
    path = point_path(filled.folder, run)
    spoil(path)
    return path.relative_to(filled.folder / "control").as_posix()


def test_latest_beside_a_damaged_point_says_that_it_may_not_be_the_latest(
    filled: Filled, filled_line: CommandLine, to: Path
) -> None:
    filled.add(1, "web", "2026-11-20")
    damaged = filled.add(2, "web", "2026-11-21").run_id
    name = spoil_point(filled, damaged)

    code, out, err = restore(filled_line, to, "--point", "latest")

    assert code == 1
    assert (to / "os.img").read_bytes() == CONTENT
    assert str(to / "os.img") in out
    assert "PointLeftOut: a later recovery point may be among those that can't be read: " in err
    assert name in err


def test_a_damaged_point_that_is_meant_is_damage_and_not_absence(
    filled: Filled, filled_line: CommandLine, to: Path
) -> None:
    run = filled.add(1, "web", "2026-11-20").run_id
    name = spoil_point(filled, run)

    for wanted in (run, run[:8], "latest"):
        code, _, err = restore(filled_line, to, "--point", wanted)
        assert code == 1
        assert f"CorruptRepository: {name}: does not verify" in err


def test_digits_of_a_good_and_a_damaged_run_are_ambiguous(
    filled: Filled, filled_line: CommandLine, to: Path
) -> None:
    filled.add(1, "web", "2026-11-20")
    damaged = filled.add(10, "web", "2026-11-21").run_id
    spoil_point(filled, damaged)

    code, _, err = restore(filled_line, to, "--point", "1000")

    assert code == 2
    assert f"{damaged} (damaged)" in err


def test_an_empty_repository_has_no_latest(filled_line: CommandLine, to: Path) -> None:
    code, _, err = restore(filled_line, to, "--point", "latest")

    assert code == 2
    assert "NoRecoveryPoint: the repository has no recovery point; " in err
