"""Entries of every kind over few chains, slots and runs, so that they meet: for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.unit.repository.control.log_bench import (
    chain,
    expiring,
    numbered,
    pointless,
    recorded,
    run,
)
from vmbackup_core.ids import CommitSlot
from vmbackup_core.repository.control.log.log_conditions import refusal
from vmbackup_core.repository.control.log.log_entries import (
    Bad,
    BegunAnew,
    Claimed,
    Dropped,
    Entry,
    Healed,
    HealingPack,
    Key,
    NewEpoch,
    Proven,
    Rebuilt,
)
from vmbackup_core.repository.control.log.log_state import LogState
from vmbackup_core.repository.primitives.identities import Fingerprint, WritingSession

_FEW = st.integers(1, 3)
_CHAINS = st.integers(0, 2).map(chain)
_SLOTS = st.integers(1, 4).map(CommitSlot)
_SESSIONS = _FEW.map(lambda number: WritingSession(numbered(number)))
_POINTS = st.builds(recorded, _FEW, _SLOTS, _SLOTS)
_PHASES = st.sampled_from(["begun", "done"])
_PACKS = _FEW.map(lambda number: f"{number:048x}")

KINDS: dict[str, st.SearchStrategy[Entry]] = {
    "recorded": _POINTS,
    "expiring": st.builds(expiring, _POINTS, _PHASES) | st.builds(pointless, _SLOTS, phase=_PHASES),
    "proven": st.builds(
        Proven,
        chain=_CHAINS,
        slot=_SLOTS,
        what=st.sampled_from(["list", "packs", "rota"]),
        up_to=st.none() | _PACKS,
        amount=_FEW,
    ),
    "bad": st.builds(
        Bad,
        chain=_CHAINS,
        object=st.sampled_from(["pack", "index"]),
        id=_PACKS,
        size=st.just(9),
        what=st.sampled_from(["missing", "damaged"]),
        parts=st.none() | st.sets(_FEW, min_size=1).map(lambda parts: tuple(sorted(parts))),
    ),
    "healed": st.builds(
        Healed,
        chain=_CHAINS,
        phase=_PHASES,
        session=_SESSIONS,
        run=_FEW.map(run),
        heals=st.just(()),
        packs=st.just((HealingPack(0, 5, "a" * 64),)),
    ),
    "dropped": st.builds(
        Dropped,
        chain=_CHAINS,
        slot=_SLOTS,
        what=st.sampled_from(["commit", "manifest", "healing"]),
        session=_SESSIONS,
        why=st.just("said so"),
    ),
    "begunAnew": st.builds(
        BegunAnew,
        chain=_CHAINS,
        successor=_CHAINS,
        generation=_FEW,
        why=st.just("damage"),
    ),
    "key": st.builds(
        Key,
        action=st.sampled_from(["added", "removed"]),
        fingerprint=_FEW.map(lambda number: Fingerprint(numbered(number))),
        label=st.none(),
    ),
    "epoch": st.builds(
        NewEpoch,
        epoch=_FEW,
        master_id=st.just(numbered(1)),
        ended=st.sets(_FEW).map(lambda epochs: tuple(sorted(epochs))),
    ),
    "claimed": st.builds(
        Claimed,
        appliance=st.sampled_from("ab"),
        from_=st.none() | st.sampled_from("ab"),
    ),
    "rebuilt": st.builds(Rebuilt, lost=st.just("descriptions")),
}
ENTRIES = st.lists(st.one_of(*KINDS.values()), max_size=40)


def applied(state: LogState, entries: list[Entry]) -> LogState:
    """Apply those of *entries* that may be."""
    for entry in entries:
        if refusal(state, entry) is None:
            state.apply(entry)
    return state
