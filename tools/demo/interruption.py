"""The operator that leads killed in the middle of a session, and started again by its node."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile

from tools.demo.evidence import Evidence
from tools.demo.journal import Entry
from tools.demo.narration import Narrator
from tools.demo.release import Release
from tools.local_cloud.administrator import Administrator

#: Where workers read and store.
_DATA = frozenset({"export", "blob"})


class Interruption:
    """A time without an operator; it begins while a worker's first pack is on its way."""

    def __init__(
        self,
        narrator: Narrator,
        azure: Administrator,
        release: Release,
        evidence: Evidence,
    ) -> None:
        self._narrator = narrator
        self._azure = azure
        self._release = release
        self._evidence = evidence
        self._killed_at: int | None = None

    def kill(self) -> None:
        """End the operator by SIGKILL, let the pack be stored, and see its pod start it again."""
        with self._narrator.step("the operator is killed (SIGKILL) while the worker stores"):
            pod = self._release.kill_leader()
            self._killed_at = self._azure.last_entry()
            self._evidence.let_go()
        with self._narrator.step("and started again by its node: it goes by what it finds"):
            code = self._release.wait_until_restarted(pod)
        self._narrator.say(f"pod {pod}: ended with {code}, restarted, ready")

    def complaints(self, entries: Sequence[Entry]) -> Iterator[str]:
        """Complain unless it came to that, and workers went on meanwhile."""
        if self._killed_at is None:
            yield "the operator was not killed: no pack was stored"
        else:
            yield from unattended(entries, self._killed_at)


def unattended(entries: Sequence[Entry], killed_at: int) -> Iterator[str]:
    """Complain unless workers read or stored between a kill and the next operator's first word."""
    after = [entry for entry in entries if entry.sequence > killed_at]
    alone = list(takewhile(lambda entry: not _is_of_operator(entry), after))
    if not any(entry.caller != "appliance" and entry.service in _DATA for entry in alone):
        yield f"no worker did anything in the {len(alone)} entries without an operator"


def _is_of_operator(entry: Entry) -> bool:
    return entry.caller == "appliance" and entry.service != "gateway"
