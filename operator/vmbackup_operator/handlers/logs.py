"""How log lines look: for people, or one JSON object each."""

from __future__ import annotations

import json
import logging
import sys
import time
from types import TracebackType

from typing_extensions import override

from vmbackup_core.redaction import shown, shown_lines
from vmbackup_operator.reconciling.log_context import log_context
from vmbackup_operator.settings import LogFormat

#: An exception as the logging library hands it on.
_ExceptionInfo = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)

#: They tell each request; what matters of it is told by us.
_TALKATIVE = ("azure", "aiohttp", "urllib3", "kubernetes", "asyncio")


def moment(record: logging.LogRecord) -> str:
    """Return when the line was logged, in UTC to the millisecond."""
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03d}Z"


class JsonLines(logging.Formatter):
    """One JSON object for each line, with what it is about where that is known."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, str | int] = {
            "ts": moment(record),
            "level": record.levelname.lower(),
            "logger": record.name.removeprefix("vmbackup_operator."),
            "message": shown(record.getMessage()),
        }
        for name, said in log_context().items():
            line[name] = shown(said) if isinstance(said, str) else said
        if record.exc_info:
            line["error"] = shown_lines(self.formatException(record.exc_info))
        return json.dumps(line)


class TextLines(logging.Formatter):
    """Time, level and message; UTC."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    @override
    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return moment(record)

    @override
    def formatException(self, ei: _ExceptionInfo) -> str:
        # Indented, so that no line of what an exception says can pass as a line of the log.
        lines = shown_lines(super().formatException(ei)).split("\n")
        return "\n".join(f"    {line}" for line in lines)

    @override
    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = shown(record.message)
        return super().formatMessage(record)


def log_to_stderr(form: LogFormat, *, verbose: bool) -> None:
    """Write lines in *form* to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "JSON" else TextLines())
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO, handlers=[handler], force=True
    )
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
