"""What docs/kubectl.md shows of the plugin's answers, by the commands that give them."""

from __future__ import annotations

from collections.abc import Callable

from tests.worlds.backed_up_team import MIB, NAMESPACE, NOW, nightly, team
from vmbackup_operator.kubectl_plugin.answers import points_table, sessions_table, status_text
from vmbackup_operator.kubectl_plugin.plan import plan_of, plan_text
from vmbackup_operator.kubectl_plugin.reading import in_order
from vmbackup_operator.kubectl_plugin.standing import Objects, standing_of
from vmbackup_operator.kubectl_plugin.tables import drawn_text, rendered
from vmbackup_operator.kubectl_plugin.terminal import Terminal
from vmbackup_operator.kubectl_plugin.watching import Pace, frame_of

_TEAM = team()
_PIPE = Terminal()
_SCREEN = Terminal(100)


def _status() -> str:
    there = Objects(_TEAM.policies, _TEAM.sessions, _TEAM.restores, _TEAM.repositories)
    return status_text(standing_of(there, NOW), NOW, _PIPE, NAMESPACE)


def _sessions() -> str:
    every = in_order([*_TEAM.sessions, *_TEAM.restores])
    return rendered(sessions_table(every, NOW, everywhere=False), _PIPE)


def _points() -> str:
    return rendered(points_table(_TEAM.points, NOW, everywhere=False), _PIPE)


def _watch() -> str:
    pace = Pace()
    pace.note(0, 0)
    pace.note(10, 141 * MIB)
    session = _TEAM.session("nightly-ijmemm-20261127")
    return drawn_text(frame_of(session, pace, NOW, _SCREEN), _SCREEN)


def _plan() -> str:
    return plan_text(plan_of(nightly(), _TEAM.sessions, NOW, 3), NOW, _PIPE)


SHOWN: dict[str, Callable[[], str]] = {
    "status": _status,
    "sessions": _sessions,
    "points --vm web-01": _points,
    "watch bses/nightly-ijmemm-202611270030": _watch,
    "policy plan nightly": _plan,
}
