"""``vmbackup repository rehydrate`` where nothing is archived, and what it does not understand."""

from __future__ import annotations

import json

import pytest

from tests.unit.cli.program import INCREMENTAL, CommandLine


def test_of_a_directory_nothing_is_archived_and_nothing_asked_for(line: CommandLine) -> None:
    code, out, _ = line.run("rehydrate", "--point", "latest", "--priority", "High")

    assert (code, "nothing of it is in the Archive tier" in out) == (0, True)
    code, out, _ = line.run("rehydrate", "--point", "latest", "--json")
    nothing = {"packs": 0, "sizeBytes": 0, "back": 0, "underWay": 0}
    assert (code, json.loads(out)) == (0, {"runId": INCREMENTAL.run_id, **nothing})


def test_copies_that_nobody_made_are_none_to_remove(line: CommandLine) -> None:
    code, out, _ = line.run("rehydrate", "--point", "latest", "--remove")

    assert (code, "0 copies removed" in out) == (0, True)
    code, out, _ = line.run("rehydrate", "--point", "latest", "--remove", "--json")
    assert json.loads(out) == {"runId": INCREMENTAL.run_id, "removed": 0}


@pytest.mark.parametrize(("count", "said"), [(0, None), (1, "1 copy"), (2, "2 copies")])
def test_check_says_that_there_are_copies_which_are_no_damage(
    line: CommandLine, count: int, said: str | None
) -> None:
    packs = sorted((line.repository / "data").glob("c/*/p/*/*/*/*"))
    for pack in packs[:count]:
        chain, _, rest = pack.relative_to(line.repository / "data" / "c").as_posix().split("/", 2)
        copy = line.repository / "data" / "a" / INCREMENTAL.run_id / chain / rest
        copy.parent.mkdir(parents=True)
        copy.write_bytes(pack.read_bytes())

    code, out, _ = line.run("check")

    assert (code, "nothing found" in out) == (0, True)
    assert (f"{said} (" in out) == (count > 0)
    counted = json.loads(line.run("check", "--json")[1])
    size_bytes = sum(pack.stat().st_size for pack in packs[:count])
    assert (counted["copies"], counted["copiedBytes"]) == (count, size_bytes)


@pytest.mark.parametrize(
    "asked",
    [
        (),
        ("--point", "latest", "--priority", "Soon"),
        ("--point", "latest", "--priority", "High", "--remove"),
    ],
    ids=["no point", "no priority", "both"],
)
def test_what_makes_no_sense_is_not_understood(line: CommandLine, asked: tuple[str, ...]) -> None:
    code, _, said = line.run("rehydrate", *asked)

    assert (code, "Misunderstood" in said) == (2, True)
