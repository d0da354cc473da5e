"""A check of everything: headers, log, points, each chain by itself, and names of nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from vmbackup_core.errors import CorruptRepository
from vmbackup_core.ids import ChainId
from vmbackup_core.repository.control.chains.holds import Hold
from vmbackup_core.repository.control.check.chain import check_chain
from vmbackup_core.repository.control.check.chains import Looking
from vmbackup_core.repository.control.check.headers import check_headers, check_wraps
from vmbackup_core.repository.control.check.log import check_log
from vmbackup_core.repository.control.check.observations import FINDINGS_MOST, Counts, Observations
from vmbackup_core.repository.control.check.point_locks import PointLocks
from vmbackup_core.repository.control.check.points import check_points
from vmbackup_core.repository.control.check.report import CheckReport, Finding, Place
from vmbackup_core.repository.control.log.heads import Head
from vmbackup_core.repository.control.log.log import Log
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.control.sealed_objects import Control
from vmbackup_core.repository.primitives.identities import is_id
from vmbackup_core.repository.primitives.names import CHAINS, HOLDS
from vmbackup_core.repository.primitives.parsed_names import (
    HoldName,
    Reserved,
    parse_control,
    parse_data,
)
from vmbackup_core.repository.primitives.reading import Places
from vmbackup_core.repository.transfer import OnProgress, Tally
from vmbackup_core.stores.port import NotStored, Store

THREADS: Final = 8


def check(  # noqa: PLR0913 - where, how much, and who hears of it
    log: Log,
    data: Store,
    *,
    read_data: bool,
    progress: OnProgress,
    on_look: Callable[[], None],
    expect_head: Head | None = None,
    threads: int = THREADS,
) -> CheckReport:
    """Look at everything; with *read_data* at every record of every pack that is needed.

    Nothing is written. *expect_head* is a log object that was written down elsewhere.
    """
    whole = _Whole(log, data, on_look)
    seen = whole.observations()
    known = check_log(log, expect_head, seen)
    places = Places(data, log.control.store)
    check_headers(places, log.control.ring, known.state.newest_epoch, seen)
    check_wraps(places, log.control.ring, seen)
    uses = check_points(log, known, seen, threads)
    _check_holds(log.control, seen)
    _find_foreign(places, seen)
    whole.take_in([(fault.finding(), False) for fault in seen.faults.values()], seen)
    tally, locks = Tally(0, progress), PointLocks(log.control.store)
    for chain in _chains(places, known.state, seen):
        looking = Looking(log, data, known.state, whole.observations(), locks)
        findings = check_chain(
            looking, chain, uses.of_chain.get(chain, []), tally if read_data else None, threads
        )
        whole.take_in(findings, looking.seen)
        whole.counts.chains += 1
    return whole.report()


@dataclass
class _Whole:
    """What was found of everything."""

    log: Log
    data: Store
    on_look: Callable[[], None]
    counts: Counts = field(default_factory=Counts)
    found: list[Finding] = field(default_factory=list)
    healed: list[Finding] = field(default_factory=list)
    left_out: int = 0

    def observations(self) -> Observations:
        """Return where the next part is noted."""
        return Observations(self.on_look)

    def take_in(self, findings: list[tuple[Finding, bool]], seen: Observations) -> None:
        """Keep what a part has found, and how much it looked at."""
        self.left_out += seen.left_out
        self.counts.add(seen.counts)
        for finding, is_healed in findings:
            kept = self.healed if is_healed else self.found
            if len(kept) < FINDINGS_MOST:
                kept.append(finding)
            else:
                self.left_out += 1

    def report(self) -> CheckReport:
        """Return it all, in order of name."""
        counts = self.counts
        return CheckReport(
            tuple(sorted(self.found, key=lambda each: (each.object, each.place))),
            tuple(sorted(self.healed, key=lambda each: (each.object, each.place))),
            self.left_out,
            points=counts.points,
            chains=counts.chains,
            commits=counts.commits,
            indexes=counts.indexes,
            packs=counts.packs,
            unreferenced_packs=counts.unreferenced_packs,
            archived_packs=counts.archived_packs,
            read_bytes=counts.read_bytes,
            copies=counts.copies,
            copied_bytes=counts.copied_bytes,
        )


def _check_holds(control: Control, seen: Observations) -> None:
    """Open every hold: one that does not open holds all the same, until a person removes it."""
    with seen.noting("control", HOLDS):
        for name in control.names(HOLDS):
            parsed = parse_control(name)
            if not isinstance(parsed, HoldName):
                continue
            with seen.noting("control", name), suppress(NotStored):  # given free meanwhile
                hold = control.open("HOLD", control.get("HOLD", name), Hold)
                if (hold.chain_id, hold.slot) != (parsed.chain, parsed.slot):
                    raise CorruptRepository(f"is of slot {hold.slot} of chain {hold.chain_id}")


def _find_foreign(places: Places, seen: Observations) -> None:
    """Name what lies in either place and is none of a repository's objects; count copies."""
    kinds: tuple[tuple[Place, Store, Callable[[str], object]], ...] = (
        ("control", places.control, parse_control),
        ("data", places.data, parse_data),
    )
    for place, store, parse in kinds:
        with seen.noting(place, "/"):
            for each in store.list(""):
                seen.on_look()
                named = parse(each.name)
                if named is None:
                    seen.say(place, each.name, "foreign", "is no object of a repository")
                elif isinstance(named, Reserved):
                    seen.counts.copies += 1
                    seen.counts.copied_bytes += each.size_bytes


def _chains(places: Places, state: LogState, seen: Observations) -> Iterator[ChainId]:
    """Yield the chains that either place has something of, or that the log names."""
    found = set(state.highest_slots)
    for place, store in (("control", places.control), ("data", places.data)):
        with seen.noting("control" if place == "control" else "data", CHAINS):
            parts = (folder.removeprefix(CHAINS)[:-1] for folder in store.folders(CHAINS))
            found |= {ChainId(part) for part in parts if is_id(part)}
    yield from sorted(found)
