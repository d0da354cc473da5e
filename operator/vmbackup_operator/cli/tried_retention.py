"""A retention as it is written on the command line: the lines of a policy's, with their numbers."""

from __future__ import annotations

import argparse
import zoneinfo

import msgspec

from vmbackup_core.retention.rules import Retention

#: What a line is that is not written, but ``last``: a policy's is 7.
_UNSAID = {"last": 7, "daily": 0, "weekly": 0, "monthly": 0, "yearly": 0}


def retention_in(text: str) -> Retention:
    """Return the retention that *text* writes, as in ``last=7,daily=14,timeZone=Europe/Berlin``.

    Raise ArgumentTypeError for what is none.
    """
    said: dict[str, object] = dict(_UNSAID)
    for part in text.split(","):
        name, equals, value = part.strip().partition("=")
        if not equals or name not in _NAMES:
            raise argparse.ArgumentTypeError(
                f"{part!r} is no line of a retention: LINE=NUMBER, of {', '.join(_NAMES)}"
            )
        said[name] = _zone(value) if name == "timeZone" else _number(part, value)
    try:
        return msgspec.convert(said, Retention)
    except msgspec.ValidationError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from error


_NAMES = tuple(field.encode_name for field in msgspec.structs.fields(Retention))


def _number(part: str, value: str) -> int:
    if not value.isdecimal() or len(value) > len("10000"):
        raise argparse.ArgumentTypeError(f"{part!r} has no number")
    return int(value)


def _zone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise argparse.ArgumentTypeError(f"{value!r} is no IANA time zone") from error
    return value
