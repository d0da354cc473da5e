"""Refusals that may end by themselves, and for how long they are believed to."""

from __future__ import annotations

import pytest
from azure.core.exceptions import AzureError

from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.errors import PermanentError, RefusedForNow
from vmbackup_operator.services.refusals import Patience, Refusal, Refusals

RIGHT = Refusal("for a while", "NotAuthorized", "AuthorizationFailed: not you")


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def refusals(clock: TurnedClock) -> Refusals:
    return Refusals(clock, {"NotAuthorized": Patience(lasts_s=900, retry_after_s=30)})


def ask(refusals: Refusals, what: str = "taking snapshot s") -> None:
    with refusals.translated(what, lambda _: RIGHT):
        raise AzureError("no")


def test_a_right_that_spreads_is_waited_for_and_that_is_said(refusals: Refusals) -> None:
    with pytest.raises(RefusedForNow) as refused:
        ask(refusals)

    assert str(refused.value) == (
        "taking snapshot s: AuthorizationFailed: not you"
        " (refused since 2026-11-22T02:00:00Z, tried again until 2026-11-22T02:15:00Z)"
    )
    assert (refused.value.reason, refused.value.retry_after_s) == ("NotAuthorized", 30)


def test_a_refusal_that_lasts_is_final_in_the_end(refusals: Refusals, clock: TurnedClock) -> None:
    for _ in range(30):
        with pytest.raises(RefusedForNow):
            ask(refusals)
        clock.turn(30)

    with pytest.raises(PermanentError, match="refused since 2026-11-22T02:00:00Z") as final:
        ask(refusals)

    assert final.value.reason == "NotAuthorized"


def test_each_thing_is_waited_for_by_itself(refusals: Refusals, clock: TurnedClock) -> None:
    with pytest.raises(RefusedForNow):
        ask(refusals, "taking snapshot a")
    clock.turn(900)

    with pytest.raises(RefusedForNow, match="since 2026-11-22T02:15:00Z"):
        ask(refusals, "taking snapshot b")


def test_what_was_granted_meanwhile_begins_anew(refusals: Refusals, clock: TurnedClock) -> None:
    with pytest.raises(RefusedForNow):
        ask(refusals)
    with refusals.translated("taking snapshot s", lambda _: RIGHT):
        clock.turn(800)

    clock.turn(200)
    with pytest.raises(RefusedForNow):
        ask(refusals)


def test_a_refusal_of_last_month_is_not_this_one(refusals: Refusals, clock: TurnedClock) -> None:
    with pytest.raises(RefusedForNow):
        ask(refusals)
    clock.turn(30 * 86400)

    with pytest.raises(RefusedForNow):
        ask(refusals)


def test_another_attempt_is_not_judged_by_what_was_final_before(
    refusals: Refusals, clock: TurnedClock
) -> None:
    with pytest.raises(RefusedForNow):
        ask(refusals)
    clock.turn(900)
    with pytest.raises(PermanentError):
        ask(refusals)

    with pytest.raises(RefusedForNow):
        ask(refusals)
