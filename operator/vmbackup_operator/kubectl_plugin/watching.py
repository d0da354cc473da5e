"""How a session goes on: its steps, a bar, and how fast it is; pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from vmbackup_core.redaction import shown
from vmbackup_operator.kubectl_plugin.any_session import AnySession, machine_of, short_name
from vmbackup_operator.kubectl_plugin.terminal import Terminal
from vmbackup_operator.model.backup_session import BackupSession
from vmbackup_operator.model.conditions import find_condition
from vmbackup_operator.model.display import amount, phases_of_restore, span
from vmbackup_operator.model.phase import PHASES_OF, Phases

if TYPE_CHECKING:
    from rich.console import RenderableType

#: The pace is that of the time since so many different looks before.
_LOOKS = 6
_BAR = 24
_MARKS = {"True": "✓", "False": "·", "Unknown": "·"}


@dataclass(slots=True)
class Pace:
    """How fast bytes move: a status says how many have at most every ten seconds."""

    seen: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_LOOKS))

    def note(self, monotonic_s: float, moved_bytes: int) -> None:
        """Take what was moved until then; what has not changed says nothing."""
        if self.seen and moved_bytes < self.seen[-1][1]:
            self.seen.clear()  # another attempt counts anew
        if not self.seen or moved_bytes > self.seen[-1][1]:
            self.seen.append((monotonic_s, moved_bytes))

    def a_second(self) -> float | None:
        """Return bytes a second, None before that is known."""
        if len(self.seen) <= 1:
            return None
        (then, before), (last, moved) = self.seen[0], self.seen[-1]
        return None if last <= then else (moved - before) / (last - then)


def phases_of(session: AnySession) -> Phases:
    """Return the steps that the session takes, as people call them."""
    if isinstance(session, BackupSession):
        return PHASES_OF[session.spec.type]
    return phases_of_restore(session)


def title_of(session: AnySession) -> str:
    """Return what the session is: its name, type and VM."""
    kind = session.spec.type if isinstance(session, BackupSession) else session.spec.mode
    return f"{short_name(session.kind, session.metadata.name)}  {kind}  {machine_of(session)}"


def amounts_of(session: AnySession, pace: Pace) -> str:
    """Return how much is moved, of how much, how fast and for how long yet; empty before that."""
    progress = session.status.progress
    if progress is None:
        return ""
    said = f"{progress.percent}%  {amount(progress.bytes_read)} of {amount(progress.bytes_to_read)}"
    if progress.bytes_stored:
        said += f"  stored {amount(progress.bytes_stored)}"
    speed = None if session.status.outcome else pace.a_second()
    if speed is None or speed <= 0:
        return said
    left = max(0, progress.bytes_to_read - progress.bytes_read) / speed
    return f"{said}  {amount(int(speed))}/s  {span(timedelta(seconds=left))} left"


def line_of(session: AnySession, pace: Pace, now: datetime) -> str:
    """Return one line that says where the session is, for a pipe."""
    parts = [f"{now:%H:%M:%S}Z", session.status.phase or "Pending", amounts_of(session, pace)]
    if ":" in parts[1] or session.status.outcome is not None:
        parts.append(session.status.message)
    return shown("  ".join(part for part in parts if part))


def steps_of(session: AnySession) -> list[tuple[str, str, str]]:
    """Return the session's steps: a mark, what it is called, and what the step says."""
    steps, is_before = [], True
    for type_, phase in phases_of(session):
        said = find_condition(session.status.conditions, type_)
        if said is None:
            mark = "▸" if is_before and session.status.outcome is None else " "
            steps.append((mark, phase, ""))
            is_before = False
            continue
        is_done = said.status == "True"
        under_way = is_before and not is_done and session.status.outcome is None
        failed = not is_done and session.status.outcome is not None
        mark = "▸" if under_way else "✗" if failed else _MARKS[said.status]
        steps.append((mark, phase, shown(said.message)))
        is_before = is_before and is_done
    return steps


def frame_of(session: AnySession, pace: Pace, now: datetime, terminal: Terminal) -> RenderableType:
    """Return what is drawn of the session on a terminal, over what was drawn before."""
    from rich.console import Group  # noqa: PLC0415 - a pipe does without
    from rich.progress_bar import ProgressBar  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    columns = terminal.columns or 80
    status, progress = session.status, session.status.progress
    began = status.start_time
    took = "" if began is None else f"  {span((status.completion_time or now) - began)}"
    drawn: list[RenderableType] = [
        Text(f"{shown(title_of(session))}  {status.phase or 'Pending'}{took}", style="bold")
    ]
    if progress is not None:
        bar = Table.grid(padding=(0, 2))
        width = min(_BAR, columns // 3)
        bar.add_row(
            ProgressBar(total=100, completed=progress.percent, width=width),
            Text(amounts_of(session, pace), no_wrap=True, overflow="ellipsis"),
        )
        drawn.append(bar)
    steps = Table.grid(padding=(0, 1))
    name = max(len(phase) for _, phase in phases_of(session))
    for width in (1, name, max(columns - name - 3, 1)):
        steps.add_column(no_wrap=True, overflow="ellipsis", width=width)
    for mark, phase, message in steps_of(session):
        style = {"✓": "green", "✗": "red", "▸": "cyan"}.get(mark, "dim")
        steps.add_row(Text(mark, style=style), Text(phase), Text(message, style="dim"))
    drawn.append(steps)
    if status.outcome is not None and status.message:
        drawn.append(Text(shown(status.message)))
    return Group(*drawn)
