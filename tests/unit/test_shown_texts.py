"""Whatever others wrote passes the filter on every way out: status, Events, log, terminal."""

from __future__ import annotations

import ast
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from azure.core.exceptions import ServiceRequestError
from typing_extensions import override

from tests.sources import ROOT, modules, text_of, tree_of
from tests.worlds.turned_clock import TurnedClock
from vmbackup_core.errors import VmbackupError
from vmbackup_core.ids import JobId, WorkerId
from vmbackup_core.protocol import failure
from vmbackup_operator.cli.printing import standard_console
from vmbackup_operator.cluster.connection import Connection
from vmbackup_operator.cluster.events import ToldEvents
from vmbackup_operator.handlers.logs import JsonLines, TextLines
from vmbackup_operator.model.backup_session import BackupSession, BackupSessionStatus
from vmbackup_operator.model.bounds import within_bounds
from vmbackup_operator.model.conditions import Condition, Statement, with_condition
from vmbackup_operator.model.metadata import Metadata
from vmbackup_operator.model.progress import SessionError
from vmbackup_operator.model.session_findings import JobFailure, SessionWorker
from vmbackup_operator.services import failures
from vmbackup_operator.services.commands import end_of

OPERATOR = ROOT / "operator/vmbackup_operator"
NOW = datetime(2026, 11, 22, tzinfo=UTC)
HOSTILE = (
    "no\r\n2026-11-26T00:00:00.000Z INFO    session team/x: Complete \x1b[2J\x9b1m\u202e "
    "https://a.blob.core.windows.net/c?sv=1&sig=c2VjcmV0 &sig=c2VjcmV0 "
    "Bearer c2VjcmV0c2VjcmV0c2VjcmV0"
)


def check(text: str, *, lines: bool = False) -> None:
    for acting in ("\r", "\x1b", "\x9b", "\u202e", *(() if lines else ("\n",))):
        assert acting not in text
    assert "c2VjcmV0" not in text


def texts_in(status: BackupSessionStatus) -> Iterator[str]:
    yield status.message
    yield from (each.message for each in status.conditions)
    yield from (each.message for each in status.errors)
    assert status.worker is not None
    assert status.worker.failure is not None
    yield status.worker.failure.message


def test_every_text_of_a_status_that_is_written() -> None:
    failed = JobFailure("AgentError", HOSTILE, transient=True)
    status = BackupSessionStatus(
        message=HOSTILE,
        conditions=(Condition("Ready", "False", "No", HOSTILE, NOW),),
        errors=(SessionError("Step", "No", HOSTILE),),
        worker=SessionWorker(WorkerId("w"), "vm", failure=failed),
    )

    for text in texts_in(within_bounds(status)):
        check(text)


def test_a_condition_says_the_same_again_as_what_was_written() -> None:
    statement = Statement("Ready", "False", "No", HOSTILE)
    once = with_condition((), statement, now=NOW, generation=1)

    check(once[0].message)
    assert with_condition(once, statement, now=NOW, generation=1) == once


class Noted(Connection):
    def __init__(self) -> None:
        self.bodies: list[object] = []

    @override
    async def send(self, _method: str, _path: str, *, body: object = None, **_: object) -> bytes:  # type: ignore[override]  # the rest is of no matter
        self.bodies.append(body)
        return b"{}"


async def test_an_event() -> None:
    connection = Noted()
    session = BackupSession(Metadata("x", "team"), spec=None)  # type: ignore[arg-type]  # never read

    await ToldEvents(connection, TurnedClock(), "pod").tell(session, "Warning", "No", HOSTILE)

    (body,) = connection.bodies
    assert isinstance(body, dict)
    check(body["note"])


@pytest.mark.parametrize("lines", [JsonLines(), TextLines()], ids=["json", "text"])
def test_a_line_of_the_log(lines: logging.Formatter) -> None:
    record = logging.LogRecord("x", logging.INFO, "f", 1, "session %s: %s", ("x", HOSTILE), None)

    check(lines.format(record))


def test_a_traceback_in_the_log_has_no_line_that_passes_for_another() -> None:
    try:
        raise ValueError(HOSTILE)
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "unexpected", (), info)

    first, *rest = TextLines().format(record).split("\n")
    check("\n".join(rest), lines=True)
    assert "unexpected" in first
    assert all(line.startswith("    ") for line in rest)


def test_the_command_lines_texts(capsys: pytest.CaptureFixture[str]) -> None:
    console = standard_console()
    console.complain(HOSTILE)
    console.write_line(HOSTILE)
    console.write_table(("A", "B"), [(HOSTILE, "x")])
    console.write_json({"a": "\x1b[2J\x9b\u202e\n"})

    out, err = capsys.readouterr()
    line, head, row, *text = out.splitlines()
    for shown in (err.removesuffix("\n"), line, head, row):
        check(shown)
    assert json.loads("\n".join(text)) == {"a": "\x1b[2J\x9b\u202e\n"}
    assert "\x1b" not in out
    assert "\x9b" not in out


def test_what_azure_and_workers_say() -> None:
    with pytest.raises(VmbackupError) as raised, failures.translated("asking"):
        raise ServiceRequestError(HOSTILE)
    check(str(raised.value))
    check(failure(JobId("j"), ValueError(HOSTILE), "AgentError", answers=1, transient=True).message)


@pytest.mark.parametrize("cut_at", range(490, 520))
def test_the_end_of_a_scripts_output_wherever_it_is_cut(cut_at: int) -> None:
    signature = "c2VjcmV0c2VjcmV0c2VjcmV0"
    text = f"GET https://a/b?sv=1&sig={signature} "

    assert "cmV0" not in end_of(text + "x" * (cut_at - 30) + " end")
    assert "cmV0" not in end_of(f"{signature[8:]}\n" + "x " * 2_100)


def test_nothing_is_written_to_a_terminal_but_through_the_filter() -> None:
    """Who writes to standard output or error by itself is on this list, and filters."""
    found = {
        str(path.relative_to(OPERATOR))
        for path in modules("operator/vmbackup_operator")
        if any(word in text_of(path) for word in ("stdout", "stderr", "print"))
        for node in ast.walk(tree_of(path))
        if (isinstance(node, ast.Attribute) and node.attr in {"stdout", "stderr"})
        or (isinstance(node, ast.Name) and node.id == "print")
    }

    assert found == {"__main__.py", "cli/printing.py", "handlers/logs.py"}
    assert "shown_lines" in (OPERATOR / "__main__.py").read_text()


def test_no_message_of_a_status_is_made_without_the_filter() -> None:
    """A condition is made in one place only, and that place filters."""
    makers = {
        str(path.relative_to(OPERATOR))
        for path in modules("operator/vmbackup_operator")
        if "Condition" in text_of(path)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Condition"
    }

    assert makers == {"model/conditions.py"}
