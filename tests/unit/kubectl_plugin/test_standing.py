"""What ``status`` says of the objects of a namespace."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from tests.worlds.backed_up_team import NOW, SLOT, team
from vmbackup_operator.kubectl_plugin.answers import status_text
from vmbackup_operator.kubectl_plugin.standing import Objects, Standing, standing_of
from vmbackup_operator.kubectl_plugin.terminal import Terminal
from vmbackup_operator.model.conditions import Condition

TEAM = team()


def standing(**changes: object) -> Standing:
    there = {
        "policies": TEAM.policies,
        "sessions": TEAM.sessions,
        "restores": TEAM.restores,
        "repositories": TEAM.repositories,
        **changes,
    }
    return standing_of(Objects(**there), NOW)  # type: ignore[arg-type]  # the test's own words


def reasons(of: Standing) -> list[tuple[str, str]]:
    return [(each.name, each.reason) for each in of.attention]


def test_a_policy_says_what_is_protected_and_what_would_be_lost() -> None:
    nightly, weekly = standing().policies

    assert (nightly.virtual_machines, nightly.unprotected, nightly.late) == (4, 1, 3)
    assert (nightly.without_recovery_point, nightly.active, nightly.failing) == (3, 2, 1)
    # Three VMs have never had a point: they are as old as the policy.
    assert nightly.rpo_seconds == (NOW - (SLOT - timedelta(days=30))).total_seconds()
    assert nightly.next_start == SLOT + timedelta(days=1, seconds=432)
    assert weekly.suspended
    assert weekly.next_start is None


def test_everything_that_needs_somebody_is_named_once() -> None:
    assert reasons(standing()) == [
        ("nightly", "Late"),
        ("nightly", "DiskNotSupported"),
        ("weekly", "Suspended"),
        ("nightly-q6woui-202611270030", "VirtualMachineNotFound"),
        ("nightly-4xk2ab-202611270030", "TransferInterrupted"),
        ("web-01-back", "SwapNotConfirmed"),
        ("west-europe", "CheckFindings"),
    ]


def test_a_failure_that_a_success_has_followed_needs_nobody() -> None:
    failed, complete = TEAM.session("nightly-q6"), TEAM.session("nightly-tx")
    spec = replace(complete.spec, virtual_machine_id=failed.spec.virtual_machine_id.upper())
    later = replace(complete, spec=spec)

    assert ("nightly-q6woui-202611270030", "VirtualMachineNotFound") not in reasons(
        standing(sessions=(failed, later))
    )


def test_a_restore_that_failed_is_news_for_a_day() -> None:
    restore = TEAM.restore("web-01-again")

    def failed(ago: timedelta) -> list[tuple[str, str]]:
        status = replace(restore.status, outcome="Failed", completion_time=NOW - ago)
        return reasons(standing(policies=(), sessions=(), repositories=(),
                                restores=(replace(restore, status=status),)))  # fmt: skip

    assert failed(timedelta(hours=2)) == [("web-01-again", "Failed")]
    assert failed(timedelta(days=2)) == []


def test_a_repository_that_is_not_ready_says_why() -> None:
    (repository,) = TEAM.repositories
    said = Condition("Ready", "False", "KeyMismatch", "the key opens nothing", SLOT)
    broken = replace(repository, status=replace(repository.status, conditions=(said,)))

    assert ("west-europe", "KeyMismatch") in reasons(standing(repositories=(broken,)))


def test_an_object_that_nobody_has_looked_at_is_named() -> None:
    (repository,) = TEAM.repositories
    untouched = replace(repository, status=type(repository.status)())

    assert ("west-europe", "NotLookedAt") in reasons(standing(repositories=(untouched,)))


def test_an_empty_namespace_is_told_from_a_quiet_one() -> None:
    empty = standing_of(Objects(), NOW)
    nightly, _ = TEAM.policies
    shown = nightly.status.virtual_machines
    assert shown is not None
    calm = replace(shown, count=1, names=("rg-production/web-01",), unprotected=(),
                   unprotected_count=0)  # fmt: skip
    policy = replace(nightly, status=replace(nightly.status, virtual_machines=calm))
    quiet = standing_of(Objects((policy,), (TEAM.session("nightly-tx"),)), NOW)

    assert "There is no BackupPolicy in namespace web-team." in _text(empty, "web-team")
    assert "There is no BackupPolicy in any namespace." in _text(empty, None)
    assert _text(quiet, "web-team").endswith("Nothing needs attention.\n")


def test_what_may_not_be_seen_is_not_said_to_be_absent() -> None:
    blind = standing_of(Objects(), NOW, ["backuppolicies: you may not list them"])

    assert _text(blind, "web-team") == ""


def _text(of: Standing, listed: str | None) -> str:
    return status_text(of, NOW, Terminal(), listed)
