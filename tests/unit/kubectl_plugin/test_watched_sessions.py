"""How a session that is watched is drawn on a terminal, and told of in a pipe."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.worlds.backed_up_team import MIB, NOW, team
from vmbackup_operator.kubectl_plugin.any_session import AnySession
from vmbackup_operator.kubectl_plugin.tables import drawn_text
from vmbackup_operator.kubectl_plugin.terminal import Terminal
from vmbackup_operator.kubectl_plugin.watching import Pace, frame_of, line_of, steps_of

TEAM = team()
SESSIONS: tuple[AnySession, ...] = (*TEAM.sessions, *TEAM.restores)
EVERY = {each.metadata.name: each for each in SESSIONS}


def pace(*seen: tuple[float, int]) -> Pace:
    made = Pace()
    for moment, moved in seen:
        made.note(moment, moved)
    return made


@pytest.mark.parametrize(
    ("seen", "a_second"),
    [
        ((), None),
        (((0, 5),), None),
        (((0, 0), (10, 100)), 10.0),
        (((0, 0), (10, 100), (12, 100), (20, 300)), 15.0),
        (((0, 500), (10, 600), (20, 10)), None),
        (((0, 500), (10, 0), (20, 40)), 4.0),
    ],
    ids=["nothing", "one look", "two looks", "no news between", "begun anew", "and gone on"],
)
def test_the_pace_is_that_of_what_has_moved(
    seen: tuple[tuple[float, int], ...], a_second: float | None
) -> None:
    assert pace(*seen).a_second() == a_second


def test_a_line_says_how_much_how_fast_and_how_long() -> None:
    line = line_of(TEAM.session("nightly-ijmemm-20261127"), pace((0, 0), (10, 141 * MIB)), NOW)

    assert line == (
        "09:30:00Z Transferring 46% 141 MiB of 300 MiB stored 31.9 MiB 14.1 MiB/s 11s left"
    )


def test_a_line_says_what_is_waited_for_and_how_it_ended() -> None:
    waiting = line_of(TEAM.restore("web-01-back"), Pace(), NOW)
    ended = line_of(TEAM.session("nightly-q6"), Pace(), NOW)

    assert "AwaitingSwap: SwapNotConfirmed" in waiting
    assert "annotate the session" in waiting
    assert ended.endswith("there is no virtual machine legacy-07: correct the id, or take it out")


def test_steps_are_those_of_the_kind_of_session() -> None:
    assert [phase for _, phase, _ in steps_of(TEAM.session("nightly-tx"))][:2] == [
        "Pending", "Snapshotting",
    ]  # fmt: skip
    assert "AwaitingSwap" in [phase for _, phase, _ in steps_of(TEAM.restore("web-01-back"))]


def test_the_step_that_a_session_is_at_is_marked() -> None:
    marks = {phase: mark for mark, phase, _ in steps_of(TEAM.session("nightly-ijmemm-20261127"))}

    assert marks["GrantingExport"] == "✓"
    assert marks["Transferring"] == "▸"
    assert marks["Committing"] == " "


def test_the_step_that_a_session_failed_at_is_marked() -> None:
    marks = {phase: mark for mark, phase, _ in steps_of(TEAM.session("nightly-q6"))}

    assert marks["Pending"] == "✗"
    assert "▸" not in marks.values()


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
@pytest.mark.parametrize("name", EVERY)
def test_a_frame_fits_the_terminal(name: str, columns: int) -> None:
    terminal = Terminal(columns)
    frame = frame_of(EVERY[name], pace((0, 0), (10, 141 * MIB)), NOW, terminal)

    lines = drawn_text(frame, terminal).splitlines()
    assert max(map(len, lines)) <= columns
    assert any("Pending" in line for line in lines)


def test_a_frame_has_a_bar_and_the_throughput() -> None:
    terminal = Terminal(120)
    session = TEAM.session("nightly-ijmemm-20261127")

    text = drawn_text(frame_of(session, pace((0, 0), (10, 141 * MIB)), NOW, terminal), terminal)

    assert "━━━━" in text
    assert "46%  141 MiB of 300 MiB  stored 31.9 MiB  14.1 MiB/s  11s left" in text


def test_texts_of_others_cannot_act_on_the_terminal() -> None:
    session = TEAM.session("nightly-q6")
    evil = replace(session, status=replace(session.status, message="\x1b]0;owned\x07 ?sig=abc=="))

    text = drawn_text(frame_of(evil, Pace(), NOW, Terminal(80)), Terminal(80))

    assert "\x1b" not in text
    assert "\x07" not in text
    assert "sig=abc" not in line_of(evil, Pace(), NOW)
