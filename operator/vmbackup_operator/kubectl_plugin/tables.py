"""Tables of text: whole in a pipe; on a terminal as wide as that is, what counts most first."""

from __future__ import annotations

from dataclasses import dataclass
from io import StringIO

from vmbackup_core.redaction import shown
from vmbackup_operator.kubectl_plugin.terminal import Terminal

_GAP = 3  # as kubectl has it

#: How cells are coloured, by the word that they begin with.
_STYLES = {
    "Complete": "green",
    "Ready": "green",
    "backup": "green",
    "Failed": "red",
    "Failing": "red",
    "Stalled": "red",
    "late": "red",
    "BackingOff": "yellow",
    "Cancelled": "yellow",
    "Cancelling": "yellow",
    "Skipped": "yellow",
    "Suspended": "yellow",
    "waits": "yellow",
    "no": "red",
}


@dataclass(frozen=True, slots=True)
class Table:
    """Columns under *head*; those in *spare* are left out, the first one first, where it is narrow.

    The last column is cut where nothing else helps.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    spare: tuple[str, ...] = ()


def rendered(table: Table, terminal: Terminal) -> str:
    """Return the lines of *table* on *terminal*, with an end of line behind each."""
    clean = Table(
        table.head, tuple(tuple(shown(cell) for cell in row) for row in table.rows), table.spare
    )
    if terminal.columns is None:
        return _whole(clean)
    return _drawn(fitted(clean, terminal.columns), terminal)


def fits(table: Table, terminal: Terminal) -> bool:
    """Tell whether all of *table* has room on *terminal*."""
    return terminal.columns is None or _width(table) <= terminal.columns


def fitted(table: Table, columns: int) -> Table:
    """Return *table* without as many of its spare columns as do not fit into *columns*."""
    spare = [name for name in table.spare if name in table.head]
    while spare and _width(table) > columns:
        table = _without(table, spare.pop(0))
    return table


def _without(table: Table, name: str) -> Table:
    gone = table.head.index(name)
    head, *rows = (line[:gone] + line[gone + 1 :] for line in (table.head, *table.rows))
    return Table(head, tuple(rows), table.spare)


def _widths(table: Table) -> list[int]:
    lines = (table.head, *table.rows)
    return [max(len(line[column]) for line in lines) for column in range(len(table.head))]


def _width(table: Table) -> int:
    return sum(_widths(table)) + _GAP * (len(table.head) - 1)


def _whole(table: Table) -> str:
    widths = _widths(table)
    lines = (
        (" " * _GAP).join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in (table.head, *table.rows)
    )
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _drawn(table: Table, terminal: Terminal) -> str:
    from rich.console import Group  # noqa: PLC0415 - a pipe does without
    from rich.text import Text  # noqa: PLC0415

    widths = _widths(table)
    lines = []
    for number, cells in enumerate((table.head, *table.rows)):
        # A name that is cut is no name: what is too long is cut at the terminal's edge.
        line = Text(no_wrap=True, overflow="ellipsis")
        for cell, width in zip(cells, widths, strict=True):
            line.append(cell, style="bold" if number == 0 else style_of(cell))
            line.append(" " * (width - len(cell) + _GAP))
        line.rstrip()
        lines.append(line)
    return drawn_text(Group(*lines), terminal)


def drawn_text(renderable: object, terminal: Terminal) -> str:
    """Return what rich makes of *renderable* on *terminal*."""
    from rich.console import Console  # noqa: PLC0415

    into = StringIO()
    console = Console(
        file=into,
        width=terminal.columns,
        force_terminal=terminal.is_coloured,
        color_system="standard" if terminal.is_coloured else None,
        no_color=not terminal.is_coloured,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    console.print(renderable)
    return "".join(f"{line.rstrip()}\n" for line in into.getvalue().splitlines())


def style_of(cell: str) -> str:
    """Return how rich is to colour *cell*, empty where it is not."""
    return _STYLES.get(cell.partition(":")[0].partition(" ")[0], "")
