"""`vmbackup repository` on a directory: what it prints, what it writes, and how it fails."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path

import pytest

from tests.unit.cli.program import (
    FULL,
    INCREMENTAL,
    CommandLine,
    Made,
    damage_pack,
    point_path,
    restore_all,
    spoil,
)
from tests.unit.repository.primitives.keepers import A, C
from vmbackup_operator.cli import main

ROOT = Path(__file__).resolve().parents[3]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_list_shows_a_line_for_each_point(line: CommandLine) -> None:
    code, out, err = line.run("list")

    head, *rows = out.splitlines()
    assert (code, err) == (0, "")
    assert head.split() == ["RUN", "VM", "CREATED", "KIND", "DISKS", "SIZE", "STORED"]
    assert [row.split()[0] for row in rows] == [FULL.run_id, INCREMENTAL.run_id]
    assert "2026-11-22T12:00:00Z" in rows[0]


def test_list_as_json_has_everything_of_a_point(line: CommandLine) -> None:
    _, out, _ = line.run("list", "--output", "json")

    points = json.loads(out)
    assert [point["runId"] for point in points] == [FULL.run_id, INCREMENTAL.run_id]
    assert points[0]["disks"][0]["sizeBytes"] == FULL.size_bytes
    assert json.loads(points[0]["retention"])["last"] == 1
    assert points[0]["createdAt"] == "2026-11-22T12:00:00Z"
    assert points[0]["policyName"] == ""


@pytest.mark.parametrize("output", ["table", "json"])
def test_a_damaged_point_is_named_and_hides_no_other(line: CommandLine, output: str) -> None:
    spoil(point_path(line.repository, FULL.run_id))

    code, out, err = line.run("list", "--output", output)

    assert code == 1
    assert f"/{FULL.run_id}: does not verify" in err
    assert INCREMENTAL.run_id in out
    assert FULL.run_id not in out


@pytest.mark.parametrize("how", [[], ["--read-data"]], ids=["structure", "data"])
def test_check_of_a_good_repository_finds_nothing(line: CommandLine, how: list[str]) -> None:
    code, out, _ = line.run("check", *how)

    assert code == 0
    assert out.splitlines()[0].startswith("2 recovery points, 1 disk, 2 commits, 2 indexes")
    assert out.splitlines()[-1] == "nothing found"


@pytest.mark.parametrize("name", ["header", f"w/00000001-{A.fingerprint}"])
@pytest.mark.parametrize("place", ["data", "control"])
def test_a_folder_in_the_place_of_what_opens_it_is_found_and_ends_nothing(
    line: CommandLine, tmp_path: Path, place: str, name: str
) -> None:
    in_its_place = line.repository / place / name
    in_its_place.unlink()
    in_its_place.mkdir()

    assert line.run("list")[0] == 0
    assert restore_all(line, tmp_path / "to")[0] == 0
    code, out, _ = line.run("check")

    assert (code, f"DAMAGED {place}/{name}: " in out) == (1, True), out


def test_check_names_what_is_damaged_and_exits_with_1(line: CommandLine) -> None:
    pack = damage_pack(line.repository)

    code, out, _ = line.run("check", "--read-data")
    assert code == 1
    assert f"DAMAGED {pack}: " in out
    assert f"lost; referred to by {FULL.run_id}" in out
    assert "1 damaged object, referred to by " in out

    code, out, _ = line.run("check", "--read-data", "--output", "json")
    assert code == 1
    (finding,) = json.loads(out)["findings"]
    assert finding["object"] == pack
    assert FULL.run_id in finding["points"]
    (hurt,) = finding["hurt"]
    assert hurt["disk"] == "os"
    assert hurt["extents"][0] == {"offset": 0, "length": 4096}


def test_restoring_damage_exits_with_1_and_leaves_no_file(
    line: CommandLine, tmp_path: Path
) -> None:
    pack = line.repository / damage_pack(line.repository)
    to = tmp_path / "restored" / "os.img"

    code, _, err = line.run("restore", "--point", FULL.run_id, "--disk", "os", "--to", str(to))

    assert code == 1
    assert pack.parent.name in err
    assert list(to.parent.iterdir()) == []


@pytest.mark.parametrize("point", [FULL, INCREMENTAL], ids=["full", "incremental"])
def test_restore_of_all_disks_writes_a_file_for_each(
    line: CommandLine, tmp_path: Path, point: Made
) -> None:
    to = tmp_path / "a" / "folder"

    code, out, _ = line.run("restore", "--point", point.run_id, "--all", "--to", str(to))

    assert code == 0
    assert str(to / "os.img") in out
    assert [path.name for path in to.iterdir()] == ["os.img"]
    assert sha256(to / "os.img") == point.sha256


def test_restored_files_are_sparse(line: CommandLine, tmp_path: Path) -> None:
    to = tmp_path / "os.img"

    line.run("restore", "--point", FULL.run_id, "--disk", "os", "--to", str(to))

    used = to.stat().st_blocks * 512
    assert to.stat().st_size == FULL.size_bytes
    assert used < FULL.size_bytes / 2


def test_restore_as_json_says_where_the_disks_are(line: CommandLine, tmp_path: Path) -> None:
    _, out, _ = line.run(
        "restore", "--point", FULL.run_id, "--all", "--to", str(tmp_path), "--output", "json"
    )

    assert json.loads(out) == [
        {
            "disk": "os",
            "sizeBytes": FULL.size_bytes,
            "path": str(tmp_path / "os.img"),
            "holes": [],
        }
    ]


def test_restore_never_replaces_a_file_unless_forced(line: CommandLine, tmp_path: Path) -> None:
    to = tmp_path / "os.img"
    to.write_text("precious")
    arguments = ["restore", "--point", FULL.run_id, "--disk", "os", "--to", str(to)]

    code, _, err = line.run(*arguments)
    assert code == 2
    assert err.startswith(f"vmbackup: FileExists: {to} exists; --force replaces it")
    assert to.read_text() == "precious"

    code, _, _ = line.run(*arguments, "--force")
    assert code == 0
    assert sha256(to) == FULL.sha256


def test_an_unknown_point_or_disk_is_named(line: CommandLine, tmp_path: Path) -> None:
    nobody = "9" * 32
    code, _, err = line.run("restore", "--point", nobody, "--all", "--to", str(tmp_path / "x"))
    assert code == 2
    assert f"NoRecoveryPoint: the repository has no recovery point {nobody}; " in err

    code, _, err = line.run("restore", "--point", FULL.run_id, "--disk", "d", "--to", "x")
    assert code == 2
    assert "NoSuchDisk: " in err
    assert "has 0 disks called d; it has os (/disks/os)" in err


def test_a_wrong_key_is_told(line: CommandLine) -> None:
    line.key_file.write_text(C.secret.hex())

    code, _, err = line.run("list")

    assert code == 2
    assert err.startswith(
        f"vmbackup: KeyMismatch: the repository does not open with the user key {C.fingerprint}"
    )
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"secret nonsense", "a user key is 32 bytes, their 64 hex", id="text"),
        pytest.param(b"\xff\xfe" * 9, "a user key is 32 bytes, their 64 hex", id="bytes"),
        pytest.param(None, "No such file", id="missing"),
    ],
)
def test_what_is_no_key_file_is_told_but_not_shown(
    line: CommandLine, content: bytes | None, said: str
) -> None:
    if content is None:
        line.key_file.unlink()
    else:
        line.key_file.write_bytes(content)

    code, _, err = line.run("list")

    assert code == 2
    assert said in err
    assert "nonsense" not in err


def test_a_key_file_may_hold_the_32_bytes_themselves(line: CommandLine) -> None:
    line.key_file.write_bytes(A.secret)

    assert line.run("list")[0] == 0


@pytest.mark.parametrize(
    ("address", "said"),
    [
        pytest.param("/nowhere/at/all", "is no directory", id="no directory"),
        pytest.param("https://abc.blob.core.windows.net/", "no address of a", id="no container"),
        pytest.param("ftp://host/c?sig=secret", "a SAS on the command line", id="another scheme"),
    ],
)
def test_an_address_that_makes_no_sense_is_told(line: CommandLine, address: str, said: str) -> None:
    line.address = address

    code, _, err = line.run("list")

    assert code == 2
    assert said in err
    assert "secret" not in err


def test_a_directory_without_a_repository_is_told(line: CommandLine, tmp_path: Path) -> None:
    line.address = str(tmp_path)

    code, _, err = line.run("list")

    assert code == 2
    assert err.startswith("vmbackup: NotInitialised: there is no repository here: neither a header")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="nothing"),
        pytest.param(["repository"], id="no verb"),
        pytest.param(["repository", "list"], id="no repository"),
        pytest.param(["repository", "delete"], id="unknown verb"),
        pytest.param(["repository", "list", "--sig=c2VjcmV0"], id="unknown option"),
    ],
)
def test_what_is_not_understood_is_said_in_a_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2

    said = capsys.readouterr().err
    assert said.startswith("vmbackup: Misunderstood: ")
    assert said.endswith(" --help shows what there is\n")
    assert len(said.splitlines()) == 1
    assert "c2VjcmV0" not in said


def test_what_is_no_point_is_said_before_anything_is_read(line: CommandLine) -> None:
    line.address = "/nowhere"

    code, _, err = line.run("restore", "--point", "../etc", "--all", "--to", "x")

    assert code == 2
    assert "'../etc' names no recovery point" in err


@pytest.mark.parametrize("which", [["--help"], ["repository", "restore", "--help"]])
def test_help_says_how_commands_end(which: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(which) == 0

    assert "130  interrupted" in capsys.readouterr().out


def test_the_version_is_the_products_and_the_formats(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0

    product = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert capsys.readouterr().out == f"vmbackup {product}, repository format 1.0\n"
