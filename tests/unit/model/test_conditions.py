"""Conditions keep their place and their time until their status changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from vmbackup_operator.model.conditions import (
    MAX_MESSAGE,
    Condition,
    Statement,
    find_condition,
    is_true,
    with_condition,
)

NOON = datetime(2026, 11, 22, 12, 0, 0, 654321, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)
WAITING = Statement("WorkerReady", "False", "Starting", "the VM starts")


def said(
    *statements: Statement, now: datetime = NOON, generation: int = 1
) -> tuple[Condition, ...]:
    conditions: tuple[Condition, ...] = ()
    for statement in statements:
        conditions = with_condition(conditions, statement, now=now, generation=generation)
    return conditions


def test_what_is_said_first_stands_first() -> None:
    conditions = said(Statement("A", "True", "Done"), Statement("B", "True", "Done"))
    conditions = with_condition(
        conditions, Statement("A", "False", "Lost"), now=LATER, generation=1
    )

    assert [condition.type for condition in conditions] == ["A", "B"]


def test_times_are_whole_seconds() -> None:
    assert said(WAITING)[0].last_transition_time == NOON.replace(microsecond=0)


def test_the_time_stays_while_the_status_does() -> None:
    other = Statement("WorkerReady", "False", "Booting", "the agent is not heard yet")
    (condition,) = with_condition(said(WAITING), other, now=LATER, generation=2)

    assert condition.last_transition_time == NOON.replace(microsecond=0)
    assert (condition.reason, condition.message) == ("Booting", "the agent is not heard yet")
    assert condition.observed_generation == 2


def test_the_time_moves_with_the_status() -> None:
    ready = Statement("WorkerReady", "True", "Hello")
    (condition,) = with_condition(said(WAITING), ready, now=LATER, generation=1)

    assert condition.last_transition_time == LATER.replace(microsecond=0)


def test_saying_the_same_again_changes_nothing() -> None:
    assert with_condition(said(WAITING), WAITING, now=LATER, generation=1) == said(WAITING)


def test_a_message_longer_than_the_schema_allows_is_cut() -> None:
    (condition,) = said(Statement("Ready", "False", "Broken", "x" * 5000))

    assert len(condition.message) == MAX_MESSAGE
    assert condition.message.endswith("x…")


@pytest.mark.parametrize("reason", ["", "two words", "Ünique", "x" * 65, "403"])
def test_a_reason_that_the_schema_refuses_is_unnamed(reason: str) -> None:
    assert said(Statement("Ready", "False", reason))[0].reason == "Unnamed"


def test_what_was_never_said_is_neither_found_nor_true() -> None:
    assert find_condition(said(WAITING), "Ready") is None
    assert not is_true(said(WAITING), "Ready")
    assert not is_true(said(WAITING), "WorkerReady")
    assert is_true(said(Statement("Ready", "True", "Found")), "Ready")
