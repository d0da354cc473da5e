"""Why each recovery point is kept, told without a cluster."""

from __future__ import annotations

import json

import pytest

from tests.unit.cli.mending import everything, well
from tests.unit.cli.program import FULL, INCREMENTAL, VMS, CommandLine, FilledBench, spoil
from tests.unit.cli.program import point_path as path_of
from tests.unit.repository.opened.whole_bench import in_folder
from vmbackup_core.repository.control.points.points import StampedRetention

BY_DAYS = StampedRetention(1, 0, 0, 0, 0, min_successful=2, time_zone="Europe/Berlin")


def add(line: CommandLine, number: int, retention: StampedRetention) -> str:
    """Record a point that a policy made; return its run."""
    bench = FilledBench(in_folder(line.repository))
    policy = {"policy_namespace": "team", "policy_name": "nightly"}
    vm = VMS.format("g", "Db")
    made = bench.back_up(
        number, {"os": bytes([number]) * 4096}, vm_id=vm, retention=retention, **policy
    )
    return made.run_id


def test_each_point_is_told_with_its_reasons_and_nothing_is_let_go(line: CommandLine) -> None:
    before = everything(line.repository)

    found = json.loads(well(line, "expire", "--dry-run", "--json"))

    assert [(each["runId"], each["kept"], each["because"]) for each in found] == [
        (FULL.run_id, False, []),
        (INCREMENTAL.run_id, True, ["last 1", "minSuccessful 1"]),
    ]
    assert {each["policyName"] for each in found} == {""}
    table = well(line, "expire", "--dry-run")
    assert "2 recovery points, 1 of which would go" in table
    assert everything(line.repository) == before


def test_points_of_a_policy_go_by_what_is_written_on_its_newest_one(line: CommandLine) -> None:
    runs = [add(line, number, BY_DAYS) for number in (3, 4, 5)]

    found = json.loads(well(line, "expire", "--dry-run", "--json", "--vm", "DB"))

    assert [(each["runId"], each["kept"]) for each in found] == [
        (runs[0], False),
        (runs[1], True),
        (runs[2], True),
    ]
    assert [each["because"] for each in found[1:]] == [
        ["minSuccessful 2"],
        ["last 1", "minSuccessful 2"],
    ]
    assert {(each["policyNamespace"], each["policyName"]) for each in found} == {
        ("team", "nightly")
    }


def test_another_retention_is_tried_on_what_policies_made(line: CommandLine) -> None:
    for number in (3, 4, 5):
        add(line, number, BY_DAYS)

    words = "--retention", "last=1,daily=9,timeZone=Europe/Berlin"
    found = json.loads(well(line, "expire", "--dry-run", "--json", *words))

    of_policy = [each for each in found if each["policyName"]]
    assert [each["kept"] for each in of_policy] == [True] * 3
    assert of_policy[0]["because"] == ["daily 9"]
    assert [each["kept"] for each in found if not each["policyName"]] == [False, True]


@pytest.mark.parametrize(
    "wrong",
    [
        "last",
        "last=0",
        "last=x",
        "nightly=3",
        "daily=99999",
        "daily=-1",
        "timeZone=Mars",
        "held=3",
        "",
    ],
)
def test_what_is_no_retention_is_refused(line: CommandLine, wrong: str) -> None:
    code, out, err = line.run("expire", "--dry-run", "--retention", wrong)

    assert (code, out) == (2, "")
    assert err.startswith("vmbackup: Misunderstood: ")


def test_without_dry_run_nothing_is_done(line: CommandLine) -> None:
    code, out, err = line.run("expire")

    assert (code, out) == (2, "")
    assert "--dry-run" in err


def test_a_point_that_does_not_open_is_named_and_hides_no_other(line: CommandLine) -> None:
    spoil(path_of(line.repository, FULL.run_id))

    code, out, err = line.run("expire", "--dry-run", "--json")

    assert [each["runId"] for each in json.loads(out)] == [INCREMENTAL.run_id]
    assert FULL.run_id in err
    assert code == 1
