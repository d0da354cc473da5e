"""What answers are shown on: a terminal of some width, or a pipe that takes every column whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: No terminal is narrower than this to us: a table of one word a line helps nobody.
NARROWEST = 40


@dataclass(frozen=True, slots=True)
class Terminal:
    """*columns* is None in a pipe: nothing is cut there, and nothing is coloured."""

    columns: int | None = None
    is_coloured: bool = False

    @property
    def is_live(self) -> bool:
        """Whether what is shown can be drawn over."""
        return self.columns is not None


def terminal_of(columns: int | None, environment: Mapping[str, str]) -> Terminal:
    """Return a terminal of *columns*, a pipe for None; NO_COLOR and TERM=dumb are heeded."""
    if columns is None:
        return Terminal()
    plain = bool(environment.get("NO_COLOR")) or environment.get("TERM", "") in {"", "dumb"}
    return Terminal(max(columns, NARROWEST), is_coloured=not plain)
