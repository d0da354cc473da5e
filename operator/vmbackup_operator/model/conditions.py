"""Conditions: what an object says about itself, one entry per type, in the order first said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from vmbackup_core.redaction import shown

ConditionStatus = Literal["True", "False", "Unknown"]

#: The schema's bounds; a longer text is cut here so that a long error never makes a write fail.
MAX_MESSAGE = 1024
MAX_REASON = 64


class Condition(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One statement about an object, as in metav1.Condition."""

    type: str
    status: ConditionStatus
    reason: str
    message: str
    last_transition_time: datetime
    observed_generation: int = 0


@dataclass(frozen=True, slots=True)
class Statement:
    """What is to be said: a condition without the moments that writing it adds."""

    type: str
    status: ConditionStatus
    reason: str
    message: str = ""


Standing = tuple[Statement, Statement, Statement]


def as_ready(message: str = "", reason: str = "Ready") -> Standing:
    """Return Ready, Reconciling and Stalled, as kstatus reads them, of what is as it should be."""
    return (
        Statement("Ready", "True", reason, message),
        Statement("Reconciling", "False", "Ready"),
        Statement("Stalled", "False", "Ready"),
    )


def as_reconciling(reason: str, message: str) -> Standing:
    """Return the same of what is on its way, and gets there without anybody's hand."""
    return (
        Statement("Ready", "False", reason, message),
        Statement("Reconciling", "True", reason, message),
        Statement("Stalled", "False", reason),
    )


def as_stalled(reason: str, message: str) -> Standing:
    """Return the same of what stays as it is until somebody changes something."""
    return (
        Statement("Ready", "False", reason, message),
        Statement("Reconciling", "False", reason),
        Statement("Stalled", "True", reason, message),
    )


def find_condition(conditions: Sequence[Condition], type_: str) -> Condition | None:
    """Return the condition called *type_*, or None where nothing was said about it."""
    return next((condition for condition in conditions if condition.type == type_), None)


def is_true(conditions: Sequence[Condition], type_: str) -> bool:
    """Return whether the condition called *type_* is there and holds."""
    found = find_condition(conditions, type_)
    return found is not None and found.status == "True"


def with_condition(
    conditions: Sequence[Condition], said: Statement, *, now: datetime, generation: int
) -> tuple[Condition, ...]:
    """Return *conditions* with *said* among them, in its old place where it had one.

    The time of the last transition moves only where the status differs, so saying the same again
    gives an equal value and nothing needs to be written.
    """
    before = find_condition(conditions, said.type)
    since = now.replace(microsecond=0)  # as Kubernetes writes times
    if before is not None and before.status == said.status:
        since = before.last_transition_time
    stated = Condition(
        type=said.type,
        status=said.status,
        reason=one_word(said.reason),
        message=cut(said.message, MAX_MESSAGE),
        last_transition_time=since,
        observed_generation=generation,
    )
    if before is None:
        return (*conditions, stated)
    return tuple(stated if condition.type == said.type else condition for condition in conditions)


def with_conditions(
    conditions: Sequence[Condition], said: Iterable[Statement], *, now: datetime, generation: int
) -> tuple[Condition, ...]:
    """Return *conditions* with each of *said* among them."""
    stated = tuple(conditions)
    for statement in said:
        stated = with_condition(stated, statement, now=now, generation=generation)
    return stated


def without_condition(conditions: Sequence[Condition], type_: str) -> tuple[Condition, ...]:
    """Return *conditions* without the one called *type_*, of which there is nothing to say."""
    return tuple(condition for condition in conditions if condition.type != type_)


def one_word(reason: str) -> str:
    """Return *reason*, or ``Unnamed`` where it is no CamelCase word, as Azure's may be.

    The schema takes nothing else, and a condition that it refuses would be a lost status.
    """
    fits = re.fullmatch(f"[A-Za-z][A-Za-z0-9]{{0,{MAX_REASON - 1}}}", reason)
    return reason if fits else "Unnamed"


def cut(text: str, length: int) -> str:
    """Return *text* as it may be shown, its end replaced by an ellipsis beyond *length*.

    What Azure, Run Commands and workers say gets into a status through here and through nothing
    else: without secrets, and without characters that act on whoever reads it.
    """
    text = shown(text)
    return text if len(text) <= length else f"{text[: length - 1]}…"
