"""What a line says of what it is about, and of an exception that nobody expected."""

from __future__ import annotations

import asyncio
import json
import logging
import sys

import pytest

from vmbackup_operator.handlers.logs import JsonLines, TextLines
from vmbackup_operator.reconciling.log_context import logged_about

URL = "https://account.blob.core.windows.net/bundle/list?sv=2025&sig=c2VjcmV0"


def failed() -> logging.LogRecord:
    try:
        try:
            raise ConnectionError(f"no way to {URL}")
        except ConnectionError as error:
            raise ZeroDivisionError from error
    except ZeroDivisionError:
        return logging.LogRecord("x", logging.ERROR, "f", 1, "unexpected", (), sys.exc_info())


@pytest.mark.parametrize("lines", [JsonLines(), TextLines()], ids=["json", "text"])
def test_an_exceptions_traceback_carries_no_signature(lines: logging.Formatter) -> None:
    line = lines.format(failed())

    assert "ZeroDivisionError" in line
    assert "account.blob.core.windows.net/bundle/list" in line
    assert "c2VjcmV0" not in line


def test_a_json_line_is_one_line() -> None:
    line = JsonLines().format(failed())

    assert "\n" not in line
    assert "ZeroDivisionError" in json.loads(line)["error"]


def said(message: str = "granted") -> logging.LogRecord:
    return logging.LogRecord("vmbackup_operator.x", logging.INFO, "f", 1, message, (), None)


def test_a_json_line_has_in_fields_what_the_work_is_about() -> None:
    with logged_about({"session": "team/nightly-1", "correlationId": "c-1"}):
        with logged_about({"step": "ExportGranted", "attempt": 2}):
            inner = json.loads(JsonLines().format(said()))
        outer = json.loads(JsonLines().format(said()))
    outside = json.loads(JsonLines().format(said()))

    told = {"session": "team/nightly-1", "correlationId": "c-1"}
    assert inner.items() >= {**told, "step": "ExportGranted", "attempt": 2}.items()
    assert outer.items() >= told.items()
    assert outer.keys() == outside.keys() | told.keys()
    assert outside.keys() == {"ts", "level", "logger", "message"}


async def test_tasks_and_threads_that_the_work_starts_say_what_it_is_about() -> None:
    def session_of_line() -> object:
        return json.loads(JsonLines().format(said())).get("session")

    async def in_a_task() -> object:
        return session_of_line()

    with logged_about({"session": "team/nightly-1"}):
        task = asyncio.create_task(in_a_task())
        in_thread = await asyncio.to_thread(session_of_line)

    assert await task == in_thread == "team/nightly-1"


def test_no_field_and_no_message_carries_a_secret_or_ends_a_line() -> None:
    with logged_about({"session": f"team/{URL}\nadmin logged in"}):
        line = JsonLines().format(said(f"reading {URL}\nadmin logged in"))

    assert "c2VjcmV0" not in line
    assert "\n" not in line
    assert "\\n" not in line


def test_a_line_for_people_says_in_its_message_what_it_is_about() -> None:
    with logged_about({"session": "team/nightly-1"}):
        line = TextLines().format(said("session team/nightly-1: granted"))

    assert line.endswith(" INFO    session team/nightly-1: granted")
