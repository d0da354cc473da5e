"""What a person types as one argument, read before anything is opened or written."""

from __future__ import annotations

import argparse
from typing import Final

from vmbackup_core.repository.control.log.heads import Head, read_head
from vmbackup_core.repository.primitives.json_payloads import TEXT_MOST
from vmbackup_core.repository.primitives.names import LAST_EPOCH, LAST_SLOT

#: As a repository's header takes it.
_APPLIANCE_MOST: Final = 64


def head(text: str) -> Head:
    """Return the log object that *text* names, as ``check`` prints its head."""
    try:
        return read_head(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error} as check prints it") from None


def slot(text: str) -> int:
    """Return the number of a commit slot."""
    return _number(text, LAST_SLOT, "slot")


def epoch(text: str) -> int:
    """Return the number of an epoch, which the repository may have or not."""
    return _number(text, LAST_EPOCH, "epoch")


def appliance(text: str) -> str:
    """Return the id of an appliance."""
    if not text or len(text) > _APPLIANCE_MOST or not text.isprintable():
        raise argparse.ArgumentTypeError(
            f"an appliance's id has 1 to {_APPLIANCE_MOST} characters, and {text[:80]!r} is none"
        )
    return text


def kept_text(text: str) -> str:
    """Return what people write into the log."""
    if len(text.encode(errors="replace")) > TEXT_MOST or not text.isprintable():
        raise argparse.ArgumentTypeError(
            f"it is one line of at most {TEXT_MOST} bytes, and {text[:40]!r}… is not"
        )
    return text


def _number(text: str, most: int, what: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is no {what}")
    return int(text)
