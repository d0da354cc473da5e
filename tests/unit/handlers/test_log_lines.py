"""What is logged of an exception that nobody expected."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from vmbackup_operator.handlers.logs import JsonLines, TextLines

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
