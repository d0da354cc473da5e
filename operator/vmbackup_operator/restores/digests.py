"""The digest of a plan: what was accepted is what is made, whatever the spec says meanwhile."""

from __future__ import annotations

import hashlib
from dataclasses import asdict

import msgspec

from vmbackup_core.errors import PermanentError
from vmbackup_operator.restores.planning.planned import Planned


def digest_of(planned: Planned) -> str:
    """Return what a status says of the plan."""
    return hashlib.sha256(msgspec.json.encode(asdict(planned), order="deterministic")).hexdigest()


def check_accepted(planned: Planned, accepted: str) -> Planned:
    """Return the plan; PermanentError where it is not the one whose digest was *accepted*.

    Patches lie in a part of the spec that no schema keeps from changing, and what a session was
    allowed, it was allowed of the plan that was judged. Empty: none was accepted yet.
    """
    if accepted not in {"", digest_of(planned)}:
        raise PermanentError(
            "spec.overrides has changed since the session was accepted, and what it asks for was "
            "not judged: make another session",
            reason="SpecChanged",
        )
    return planned
