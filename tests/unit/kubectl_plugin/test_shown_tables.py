"""Tables in a pipe, on narrow terminals, and in colour."""

from __future__ import annotations

import pytest

from tests.worlds.backed_up_team import NOW, team
from vmbackup_operator.kubectl_plugin.answers import points_table, sessions_table, status_text
from vmbackup_operator.kubectl_plugin.reading import in_order
from vmbackup_operator.kubectl_plugin.standing import Objects, standing_of
from vmbackup_operator.kubectl_plugin.tables import Table, rendered, style_of
from vmbackup_operator.kubectl_plugin.terminal import Terminal, terminal_of

TEAM = team()
SESSIONS = sessions_table(in_order([*TEAM.sessions, *TEAM.restores]), NOW, everywhere=False)
POINTS = points_table(TEAM.points, NOW, everywhere=False)
STANDING = standing_of(Objects(TEAM.policies, TEAM.sessions, TEAM.restores, TEAM.repositories), NOW)


def test_a_pipe_gets_every_column_whole_and_no_colour() -> None:
    text = rendered(SESSIONS, Terminal())

    assert text.splitlines()[0].split() == list(SESSIONS.head)
    assert "BackingOff: TransferInterrupted" in text
    assert "\x1b" not in text
    assert all(line == line.rstrip() for line in text.splitlines())


@pytest.mark.parametrize("columns", [60, 80, 100, 132, 200])
def test_nothing_is_wider_than_the_terminal(columns: int) -> None:
    for text in (
        rendered(SESSIONS, Terminal(columns)),
        rendered(POINTS, Terminal(columns)),
        status_text(STANDING, NOW, Terminal(columns), "web-team"),
    ):
        assert max(map(len, text.splitlines())) <= columns


def test_a_narrow_terminal_keeps_the_names_whole() -> None:
    text = rendered(SESSIONS, Terminal(60))

    for row in SESSIONS.rows:
        assert row[0] in text


def test_what_needs_attention_is_said_whole_on_a_narrow_terminal() -> None:
    text = status_text(STANDING, NOW, Terminal(60), "web-team")

    said = " ".join(text.split())
    for each in STANDING.attention:
        assert " ".join(each.message.split()) in said


def test_a_terminal_may_have_colours() -> None:
    assert "\x1b[31mFailed" in rendered(SESSIONS, Terminal(200, is_coloured=True))
    assert "\x1b" not in rendered(SESSIONS, Terminal(200))


def test_cells_cannot_act_on_a_terminal() -> None:
    table = Table(("A", "B"), (("\x1b[31mred", "two\nlines"),))

    for terminal in (Terminal(), Terminal(80)):
        text = rendered(table, terminal)
        assert "\x1b" not in text
        assert len(text.splitlines()) == 2


@pytest.mark.parametrize(
    ("cell", "style"),
    [("Failed: X", "red"), ("Complete", "green"), ("late: 3", "red"), ("web-01", ""), ("", "")],
)
def test_a_cell_is_coloured_by_its_first_word(cell: str, style: str) -> None:
    assert style_of(cell) == style


@pytest.mark.parametrize(
    ("columns", "environment", "terminal"),
    [
        (None, {"TERM": "xterm"}, Terminal()),
        (120, {"TERM": "xterm"}, Terminal(120, is_coloured=True)),
        (120, {"TERM": "xterm", "NO_COLOR": "1"}, Terminal(120)),
        (120, {"TERM": "xterm", "NO_COLOR": ""}, Terminal(120, is_coloured=True)),
        (120, {"TERM": "dumb"}, Terminal(120)),
        (5, {}, Terminal(40)),
    ],
    ids=["a pipe", "a terminal", "NO_COLOR", "an empty one", "dumb", "narrow"],
)
def test_what_standard_output_is(
    columns: int | None, environment: dict[str, str], terminal: Terminal
) -> None:
    assert terminal_of(columns, environment) == terminal
