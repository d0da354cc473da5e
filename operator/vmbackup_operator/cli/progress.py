"""How far something has come: one line that changes on a terminal, elsewhere some lines."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from vmbackup_core.redaction import shown
from vmbackup_core.repository.transfer import Progress
from vmbackup_operator.cli.printing import Console, number_of, size

ON_A_TERMINAL_S = 1.0
ELSEWHERE_S = 10.0

#: The pace is that of the time since so many tellings before: steady, and true after a stop.
_TELLINGS = 10


class ProgressLine:
    """Tells at most once a second on a terminal, every ten seconds elsewhere; never where *quiet*.

    A context: nothing is left on a terminal behind it.
    """

    def __init__(
        self,
        what: str,
        console: Console,
        *,
        quiet: bool,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = shown(what)
        self._console = console
        self._watched = console.is_watched()
        self._quiet = quiet
        self._monotonic_s = monotonic_s
        self._told_at = monotonic_s()
        self._seen = deque([(self._told_at, 0)], maxlen=_TELLINGS)
        self._is_shown = False

    def show(self, progress: Progress) -> None:
        """Tell of a transfer, where it is time."""
        if self._is_due():
            self._tell(
                f"{size(progress.done_bytes)} of {size(progress.total_bytes)}{self._pace(progress)}"
            )

    def say(self, text: str) -> None:
        """Tell something else, where it is time."""
        if self._is_due():
            self._tell(text)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_shown:
            self._console.show("\r\x1b[K")
            self._is_shown = False

    def _pace(self, progress: Progress) -> str:
        """Return how fast it goes, and how long the rest takes at that pace."""
        now, done = self._monotonic_s(), progress.done_bytes
        then, done_then = self._seen[0]
        self._seen.append((now, done))
        if now <= then or done <= done_then:
            return ""
        a_second = (done - done_then) / (now - then)
        left = max(0, progress.total_bytes - done) / a_second
        return f", {size(int(a_second))}/s, {duration(left)} left"

    def _is_due(self) -> bool:
        pause = ON_A_TERMINAL_S if self._watched else ELSEWHERE_S
        return not self._quiet and self._monotonic_s() - self._told_at >= pause

    def _tell(self, text: str) -> None:
        self._told_at = self._monotonic_s()
        line = f"{self._what}: {text}"
        if self._watched:
            self._is_shown = True
            self._console.show(f"\r{line[: _columns() - 1]}\x1b[K")
        else:
            self._console.complain(line)


def duration(seconds: float) -> str:
    """Return a time in its two largest units: ``50 s``, ``3 min 5 s``, ``2 h 10 min``."""
    minutes, rest_s = divmod(round(seconds), 60)
    hours, rest_min = divmod(minutes, 60)
    if hours:
        return f"{hours} h {rest_min} min"
    return f"{minutes} min {rest_s} s" if minutes else f"{rest_s} s"


def _columns() -> int:
    """Return how wide the terminal is: a line that wraps would not be replaced by the next one."""
    try:
        return max(os.get_terminal_size(2).columns, 20)
    except OSError:
        return 80


@contextmanager
def counted(line: ProgressLine, what: str) -> Iterator[Callable[[], None]]:
    """Give a function that counts one more *what* each time that it is called."""
    count = 0

    def one_more() -> None:
        nonlocal count
        count += 1
        line.say(number_of(count, what))

    with line:
        yield one_more
