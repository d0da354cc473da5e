"""The sessions as the demo's user watches them with kubectl, several side by side."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tools.demo.narration import FactBroken
from tools.local_cloud.kubernetes_user import KubernetesUser

#: How often a waiting user looks.
LOOK_S = 0.5
#: When a session that was asked for has to be there; that of upkeep is made after its other jobs.
MADE_WITHIN_S = 300


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of session; *widths* are those of its columns, of which kubectl aligns rows anew."""

    plural: str
    widths: Sequence[int]


#: Name, VM, type, phase, progress, read, stored, age.
BACKUPS = Kind("backupsessions", (38, 9, 9, 18, 11, 10, 10, 5))
#: Name, recovery point, mode, phase, progress, age.
RESTORES = Kind("restoresessions", (22, 28, 16, 24, 11, 5))


class Followed:
    """One session that is shown whenever its line changes, until all of it has ended.

    Without *name* it is the first one that is not *known*, which may not be there yet.
    """

    def __init__(
        self,
        user: KubernetesUser,
        namespace: str,
        kind: Kind,
        name: str = "",
        known: Collection[str] = (),
    ) -> None:
        self._user = user
        self._namespace = namespace
        self._known = known
        self.kind = kind
        self.name = name
        self._version = ""
        self._shown: list[str] = []
        self._session: Any = None

    def look(self, show: Callable[[list[str], list[str]], None]) -> None:
        """Look at the session; *show* its heading and its line where that is not as it was."""
        self.name = self.name or self._find_name()
        if not self.name:
            return
        session = self._user.find(self._namespace, self.kind.plural, self.name)
        if session["metadata"]["resourceVersion"] != self._version:
            self._version = session["metadata"]["resourceVersion"]
            self._show_news(show)
        self._session = session

    @property
    def session(self) -> Any:
        """The session as it was last seen."""
        return self._session

    @property
    def has_ended(self) -> bool:
        """Tell whether it has an outcome, and all that follows that has ended too."""
        return self._session is not None and is_over(self._session)

    def described(self) -> str:
        """Return what kubectl describes of it, or of all of its kind where it is not there yet."""
        named = (self.name,) if self.name else ()
        words = ("describe", self.kind.plural, *named, "--namespace", self._namespace)
        return self._user.kubectl(*words)

    def _find_name(self) -> str:
        found = self._user.find(self._namespace, self.kind.plural)["items"]
        names = {str(session["metadata"]["name"]) for session in found}
        return min(names - set(self._known), default="")

    def _show_news(self, show: Callable[[list[str], list[str]], None]) -> None:
        words = ("get", self.kind.plural, self.name, "--namespace", self._namespace)
        heading, row = columns(self._user.kubectl(*words))
        if row[:-1] != self._shown[:-1]:  # its age alone is no news
            show(heading, row)
        self._shown = row


def watch(
    followed: Sequence[Followed],
    say: Callable[[str], None],
    *,
    limit_s: float,
    meanwhile: Callable[[], None],
    until: Sequence[Followed] = (),
) -> list[Any]:
    """Show each session's line whenever it changes; return the sessions when all have ended.

    Where *until* names some of them, those are awaited and returned. *meanwhile* is called at each
    look.
    """
    headed: set[str] = set()
    began = time.monotonic()
    while True:
        for each in followed:
            if not each.has_ended:
                each.look(_shown_by(say, each.kind, headed))
        meanwhile()
        if all(each.has_ended for each in until or followed):
            return [each.session for each in until or followed]
        taken_s = time.monotonic() - began
        for each in followed:
            if taken_s > limit_s and not each.has_ended:
                raise FactBroken(
                    f"{each.name} has not ended in {limit_s:.0f} s:\n{each.described()}"
                )
            if taken_s > MADE_WITHIN_S and not each.name:
                raise FactBroken(f"no session was made:\n{each.described()}")
        time.sleep(LOOK_S)


def _shown_by(
    say: Callable[[str], None], kind: Kind, headed: set[str]
) -> Callable[[list[str], list[str]], None]:
    """Return what says a row of that *kind*, behind its heading where that was not said yet."""

    def show(heading: list[str], row: list[str]) -> None:
        if kind.plural not in headed:
            headed.add(kind.plural)
            say(line(kind, heading))
        say(line(kind, row))

    return show


def columns(printed: str) -> list[list[str]]:
    """Return the cells of a table of kubectl's, an empty one where nothing stands in a column."""
    lines = printed.splitlines()
    starts = [heading.start() for heading in re.finditer(r"\S+(?: \S+)*", lines[0])]
    ends = [*starts[1:], None]
    return [
        [line[start:end].strip() for start, end in zip(starts, ends, strict=True)] for line in lines
    ]


def line(kind: Kind, cells: Sequence[str]) -> str:
    """Return *cells* as one line, each as wide as its column ever is, so that lines agree."""
    padded = (cell.ljust(width) for cell, width in zip(cells, kind.widths, strict=True))
    return "".join(padded).rstrip()


def is_over(session: Mapping[str, Any]) -> bool:
    """Tell whether a session has an outcome, and what follows the outcome has ended too."""
    status = session.get("status", {})
    said = {entry["type"]: entry["status"] for entry in status.get("conditions", [])}
    owed = {"WorkerReleased"} | ({"SnapshotsPruned"} if "SnapshotsReady" in said else set())
    return "outcome" in status and all(said.get(condition) == "True" for condition in owed)
