"""The ways to say which recovery point is meant: latest, a run id, its beginning, or a name."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vmbackup_operator.arm_ids import folded

RUN_DIGITS = 32
#: Four of 32 hexadecimal digits tell 65,536 runs apart; fewer would be a slip of the finger.
FEWEST_DIGITS = 4

_RUN = re.compile(rf"[0-9a-fA-F]{{{FEWEST_DIGITS},{RUN_DIGITS}}}")
#: As `naming.recovery_point_name` makes it: its end is the beginning of the run id.
_NAME = re.compile(r"[a-z0-9-]+-[0-9]{12}-([0-9a-f]{6})")


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest one, of one VM."""


@dataclass(frozen=True, slots=True)
class ByRun:
    """The one whose run id begins with *digits*."""

    digits: str


@dataclass(frozen=True, slots=True)
class ByName:
    """The one whose RecoveryPoint is called *name*; its run id begins with *digits*."""

    name: str
    digits: str


WantedPoint = Latest | ByRun | ByName


def wanted_point(text: str) -> WantedPoint:
    """Return which recovery point *text* means; raise ValueError where it means none."""
    if text == "latest":
        return Latest()
    if _RUN.fullmatch(text):
        return ByRun(folded(text))
    name = _NAME.fullmatch(text)
    if name:
        return ByName(text, name[1])
    raise ValueError(
        f"{text!r} names no recovery point: a run id, at least {FEWEST_DIGITS} of its first digits,"
        " latest, or a RecoveryPoint's name does"
    )
