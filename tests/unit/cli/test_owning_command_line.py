"""Keys, holds and ownership as a person decides about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.unit.cli.mending import everything
from tests.unit.cli.program import INCREMENTAL, CommandLine
from tests.unit.repository.control.log_bench import MOMENT
from tests.unit.repository.opened.whole_bench import APPLIANCE, WholeBench, in_folder
from tests.unit.repository.primitives.keepers import A, B
from vmbackup_core.repository.control.chains.holds import Holder, hold
from vmbackup_core.repository.control.log.log_entries import Claimed
from vmbackup_core.repository.primitives.identities import draw


class Ended(NamedTuple):
    """How a command ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


def run(line: CommandLine, *words: str) -> Ended:
    """Run ``vmbackup repository`` with *words*, the verb first, as a person does."""
    return Ended(*line.run(*words))


def done(line: CommandLine, *words: str) -> str:
    """Run it, hold that it went well and said nothing else, and return what it printed."""
    ended = run(line, *words)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def refused(line: CommandLine, reason: str, *words: str) -> str:
    """Run it, hold that it is refused in one line, and return that."""
    ended = run(line, *words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"vmbackup: {reason}: "), ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    return ended.stderr


def other_key(line: CommandLine, tmp_path: Path) -> CommandLine:
    """Return the same repository, opened with another key."""
    path = tmp_path / "other"
    path.write_text(B.secret.hex())
    path.chmod(0o600)
    return CommandLine(line.repository, path, line.capsys)


def keys(line: CommandLine) -> dict[str, list[int]]:
    listed = json.loads(done(line, "key", "list", "--json"))
    return {each["fingerprint"]: each["epochs"] for each in listed}


def test_a_key_that_is_added_opens_all_and_one_that_is_removed_nothing(
    line: CommandLine, tmp_path: Path
) -> None:
    other = other_key(line, tmp_path)
    refused(other, "KeyMismatch", "list")

    done(line, "key", "add", "--new-key-file", str(other.key_file), "--label", "in the safe")

    assert INCREMENTAL.run_id in done(other, "list")
    assert "in the safe" in done(line, "key", "list")
    said = done(other, "key", "remove", A.fingerprint)
    assert f"key {A.fingerprint} removed; whoever has copied a wrap of it" in said
    assert A.fingerprint in refused(line, "KeyMismatch", "list")
    assert keys(other) == {A.fingerprint: [], B.fingerprint: [1]}


def test_the_key_that_is_given_is_not_removed(line: CommandLine) -> None:
    assert "add another" in refused(line, "LastKey", "key", "remove", A.fingerprint)
    for nobody in ("f" * 32, "x"):
        refused(line, "NoSuchKey", "key", "remove", nobody)


def test_a_rotation_is_for_the_keys_that_are_kept(line: CommandLine, tmp_path: Path) -> None:
    other = other_key(line, tmp_path)
    done(line, "key", "add", "--new-key-file", str(other.key_file))

    assert "epoch 2 begins" in done(line, "key", "rotate")
    assert keys(line) == {A.fingerprint: [1, 2], B.fingerprint: [1]}
    done(line, "key", "rotate", "--keep", str(other.key_file), "--end", "1")

    assert keys(line) == {A.fingerprint: [1, 2, 3], B.fingerprint: [1, 3]}
    bench = WholeBench(in_folder(line.repository))
    assert bench.opened(appliance=None).log.read().state.ended_epochs == {1}


@pytest.mark.parametrize("more", [[], ["--epoch", "1"]], ids=["newest", "named"])
def test_what_is_printed_brings_the_key_back(
    line: CommandLine, tmp_path: Path, more: list[str]
) -> None:
    paper = tmp_path / "paper"
    paper.write_text(done(line, "key", "export", *more).lower())
    for path in line.repository.glob("*/w/*"):
        path.unlink()
    refused(line, "KeyMismatch", "list")

    done(line, "key", "import", str(paper))

    assert INCREMENTAL.run_id in done(line, "list")
    paper.write_text(paper.read_text().replace("vmbk", "vmbx")[:-20])
    refused(line, "WrapMistyped", "key", "import", str(paper))


def test_holds_are_listed_and_removed(line: CommandLine) -> None:
    log = WholeBench(in_folder(line.repository)).opened().log
    (entry, *_) = log.read().state.counted.values()
    holder = Holder(draw(), "archive", "a copy that died")
    hold(log.control, list(entry.places), holder, MOMENT)

    (listed,) = json.loads(done(line, "holds", "--json"))

    assert (listed["holder"], listed["purpose"]) == (holder.id, "archive")
    assert "a copy that died" in done(line, "holds")
    refused(line, "NoSuchHold", "holds", "--remove", "f" * 32)
    assert "1 hold of" in done(line, "holds", "--remove", holder.id)
    assert json.loads(done(line, "holds", "--json")) == []


def test_a_claim_needs_the_owner_who_stops(line: CommandLine) -> None:
    assert APPLIANCE in refused(line, "ClaimUnclear", "claim", "--appliance", "new")
    refused(line, "OwnerChanged", "claim", "--appliance", "new", "--from", "somebody")

    assert done(line, "claim", "--appliance", "new", "--from", APPLIANCE).startswith("new owns")

    bench = WholeBench(in_folder(line.repository))
    assert bench.opened().owner == "new"
    assert bench.opened().read_only
    log = bench.opened(appliance=None).log
    assert log.read().state.claim == Claimed(appliance="new", from_=APPLIANCE)
    assert done(line, "claim", "--appliance", "new").startswith("new owns")


def test_a_head_that_was_written_down_is_looked_for(line: CommandLine) -> None:
    head = json.loads(done(line, "check", "--json"))["head"]
    assert f"head {head}" in done(line, "check", "--expect-head", head)

    ended = run(line, "check", "--expect-head", f"2:{'0' * 64}")

    assert ended.returncode == 1
    assert "DAMAGED control/l/" in ended.stdout
    for nonsense in ("3", f"x:{'0' * 64}", "3:0", f"0:{'0' * 64}", f"{2**39}:{'0' * 64}"):
        refused(line, "Misunderstood", "check", "--expect-head", nonsense)
        refused(line, "Misunderstood", "prune", "--dry-run", "--expect-head", nonsense)


LONG = "\u00e4" * 513  # of two bytes each


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("Misunderstood", ["key", "rotate", "--end", "0"]),
        ("Misunderstood", ["key", "rotate", "--end", str(2**32)]),
        ("NoSuchEpoch", ["key", "rotate", "--end", "1", "--end", "2"]),
        ("Misunderstood", ["key", "export", "--epoch", "0"]),
        ("NoSuchEpoch", ["key", "export", "--epoch", "2"]),
        ("Misunderstood", ["key", "add", "--new-key-file", "OTHER", "--label", LONG]),
        ("Misunderstood", ["drop", "commit", "--chain", "c", "--slot", "1", "--why", LONG]),
        ("Misunderstood", ["claim", "--from", APPLIANCE, "--appliance", ""]),
        ("Misunderstood", ["claim", "--from", APPLIANCE, "--appliance", "a" * 65]),
        ("Misunderstood", ["rebuild-control", "--accept-losses", "--appliance", "a" * 65]),
    ],
    ids=lambda value: "-".join(each[:12] for each in value) if isinstance(value, list) else value,
)
def test_what_no_reader_would_take_is_not_written(
    line: CommandLine, tmp_path: Path, reason: str, words: list[str]
) -> None:
    other = str(other_key(line, tmp_path).key_file)
    before = everything(line.repository)

    refused(line, reason, *(other if word == "OTHER" else word for word in words))

    assert everything(line.repository) == before
    done(line, "check")


def test_nothing_but_list_check_and_restore_is_written_by_reading(
    line: CommandLine, tmp_path: Path
) -> None:
    def files() -> dict[str, bytes]:
        found = (each for each in line.repository.rglob("*") if each.is_file())
        return {str(each): each.read_bytes() for each in found}

    before = files()

    done(line, "list")
    done(line, "check", "--read-data")
    done(line, "restore", "--point", "latest", "--all", "--to", str(tmp_path / "to"))
    done(line, "key", "list")
    done(line, "key", "export")
    done(line, "holds")

    assert files() == before


def test_who_may_not_write_restores_and_is_told_what_that_means(
    line: CommandLine, tmp_path: Path
) -> None:
    holds = line.repository / "control" / "d"
    holds.write_text("in the way of the folder of holds")

    ended = run(line, "restore", "--point", "latest", "--all", "--to", str(tmp_path / "to"))

    assert ended.returncode == 0
    assert "could not be held" in ended.stderr
    assert (tmp_path / "to" / "os.img").read_bytes() == INCREMENTAL.content


def test_damage_of_the_log_is_told_beside_what_is_listed(line: CommandLine) -> None:
    (oldest, *_) = sorted(line.repository.glob("control/l/*/*"), reverse=True)
    oldest.write_bytes(b"VMBKLOGO")

    ended = run(line, "list")

    assert ended.returncode == 1
    assert INCREMENTAL.run_id in ended.stdout
    assert "vmbackup: LogDamaged: log object 1: " in ended.stderr
