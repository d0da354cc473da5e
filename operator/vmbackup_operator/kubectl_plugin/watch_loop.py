"""``watch``: looks at a session until it has ended, and draws it or tells of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vmbackup_core.errors import TransientError
from vmbackup_operator.kubectl_plugin.any_session import AnySession, short_name
from vmbackup_operator.kubectl_plugin.call import Call
from vmbackup_operator.kubectl_plugin.complaints import GOOD, NOT_GOOD
from vmbackup_operator.kubectl_plugin.tables import drawn_text
from vmbackup_operator.kubectl_plugin.watching import Pace, frame_of, line_of

if TYPE_CHECKING:
    from vmbackup_operator.kubectl_plugin.cluster_access import Cluster

#: The operator writes a session's progress at most every ten seconds, and each step at once.
_LOOK_EVERY_S = 2.0
#: So often in a row the API server may be silent: a minute, as long as one takes to start anew.
_MOST_SILENCES = 30


#: Shows a session; called again at each look.
Screen = Callable[[AnySession, Pace], None]


def watch_session(call: Call, name: str) -> int:
    """Answer ``watch``; the exit code says whether the session has succeeded."""

    async def look(cluster: Cluster) -> AnySession:
        screen = _Drawing(call) if call.terminal.is_live else _Lines(call)
        return await _follow(cluster, name, screen.show)

    session = call.ask(look)
    return GOOD if session.status.outcome == "Succeeded" else NOT_GOOD


async def _follow(cluster: Cluster, name: str, screen: Screen) -> AnySession:
    session = await cluster.get_session(name)
    full_name = short_name(session.kind, session.metadata.name)
    pace, silences = Pace(), 0
    while True:
        progress = session.status.progress
        if progress is not None:
            pace.note(time.monotonic(), progress.bytes_read)
        screen(session, pace)
        if session.status.outcome is not None:
            return session
        await asyncio.sleep(_LOOK_EVERY_S)
        try:
            session = await cluster.get_session(full_name)
            silences = 0
        except TransientError:
            silences += 1
            if silences > _MOST_SILENCES:
                raise


class _Lines:
    """A line whenever something has changed."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._before: object = None

    def show(self, session: AnySession, pace: Pace) -> None:
        status = session.status
        state = (status.phase, status.progress, status.outcome)
        if state != self._before:
            self._before = state
            self._call.console.write_line(line_of(session, pace, datetime.now(UTC)))


class _Drawing:
    """The session drawn over what was drawn before."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._lines = 0

    def show(self, session: AnySession, pace: Pace) -> None:
        terminal = self._call.terminal
        text = drawn_text(frame_of(session, pace, datetime.now(UTC), terminal), terminal)
        # Up to where the last one began, and nothing of it left below.
        above = f"\x1b[{self._lines}A\x1b[J" if self._lines else ""
        self._lines = len(text.splitlines())
        self._call.console.write(above + text)
