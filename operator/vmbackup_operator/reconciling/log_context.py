"""What a line of the log is about: session, step, attempt and correlation id, beside its message.

Whoever works on something says so around that work, and whoever writes lines asks for it. Tasks
and threads that are started inside take it along.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Literal

Field = Literal["session", "step", "attempt", "correlationId"]
Fields = Mapping[Field, str | int]

_about: ContextVar[Fields] = ContextVar("log_context", default=MappingProxyType({}))


@contextmanager
def logged_about(fields: Fields) -> Iterator[None]:
    """Have each line that is logged inside carry *fields*, and those that were said around it."""
    token = _about.set({**_about.get(), **fields})
    try:
        yield
    finally:
        _about.reset(token)


def log_context() -> Fields:
    """Return what the work at hand is about, empty where nobody has said so."""
    return _about.get()
