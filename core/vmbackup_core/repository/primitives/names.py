"""The names of a repository's objects, made; see section 3 of the format's page.

`parsed_names` takes them apart.
"""

from __future__ import annotations

from typing import Final, Literal

from vmbackup_core.ids import ChainId, CommitSlot, RunId
from vmbackup_core.repository.primitives.identities import (
    HEALING_SLOT,
    IndexId,
    PackId,
    VmId,
    WritingSession,
    is_id,
)

HEADER: Final = "header"
WRAPS: Final = "w/"
LOG: Final = "l/"
STATES: Final = "s/"
CHAINS: Final = "c/"
POINTS: Final = "v/"
HOLDS: Final = "d/"
RESERVED: Final = "a/"

FIRST_EPOCH: Final = 1
LAST_SLOT: Final = 2**31 - 1
LAST_LOG_NUMBER: Final = 2**39 - 1
LAST_PART: Final = 2**16 - 1
LAST_EPOCH: Final = 2**32 - 1

#: Names count backwards from these.
COMMITS_FROM: Final = 2**32 - 1
LOG_FROM: Final = 2**40 - 1

_U32_MOST = 2**32 - 1

#: A folder of a chain whose objects lie in folders of slots: packs, index objects, manifests,
#: parts of pack lists.
SlotFolder = Literal["p", "i", "m", "x"]


def header_name(epoch: int) -> str:
    """Return the name of the header of *epoch*."""
    return HEADER if epoch == FIRST_EPOCH else f"{HEADER}-{within(epoch, 2, LAST_EPOCH):08x}"


def wrap_name(epoch: int, fingerprint: str) -> str:
    """Return the name of *epoch*'s master wrapped for the user key with *fingerprint*."""
    return f"{WRAPS}{within(epoch, FIRST_EPOCH, LAST_EPOCH):08x}-{_id(fingerprint)}"


def log_name(number: int) -> str:
    """Return the name of log object *number*; a listing shows the newest first."""
    return LOG + _cut_log(number)


def state_name(number: int, drawn: str, part: int) -> str:
    """Return the name of a part of the state that log object *number* repeats."""
    return f"{STATES}{_cut_log(number)}-{_id(drawn)}-{within(part, 0, LAST_PART):04x}"


def prefix_of_state(number: int) -> str:
    """Return what the names of all states begin with that log object *number* may name."""
    return f"{STATES}{_cut_log(number)}-"


def prefix_of_chain(chain: ChainId) -> str:
    """Return what the names of *chain* begin with, in both places."""
    return f"{CHAINS}{_id(chain)}/"


def chain_header_name(chain: ChainId) -> str:
    """Return the name of *chain*'s header."""
    return f"{prefix_of_chain(chain)}chain"


def prefix_of_commits(chain: ChainId) -> str:
    """Return what the names of *chain*'s commits begin with; a listing shows the newest first."""
    return f"{prefix_of_chain(chain)}k/"


def commit_name(chain: ChainId, slot: CommitSlot) -> str:
    """Return the name of the commit in *slot*."""
    return prefix_of_commits(chain) + _cut(COMMITS_FROM - checked_slot(slot))


def prefix_of_folder(chain: ChainId, folder: SlotFolder) -> str:
    """Return what all names of *chain* in *folder* begin with."""
    return f"{prefix_of_chain(chain)}{folder}/"


def prefix_of_slot(chain: ChainId, folder: SlotFolder, slot: CommitSlot) -> str:
    """Return what the names in *folder* of all sessions that aim at *slot* begin with."""
    return f"{prefix_of_folder(chain, folder)}{_cut(checked_slot(slot))}/"


def prefix_of_session(
    chain: ChainId, folder: Literal["p", "i"], slot: CommitSlot, session: WritingSession
) -> str:
    """Return what the names of *session*'s packs or index objects begin with."""
    return f"{prefix_of_slot(chain, folder, slot)}{_id(session)}-"


def prefix_of_healing(chain: ChainId) -> str:
    """Return what the names of *chain*'s healing packs begin with."""
    return f"{prefix_of_chain(chain)}h/"


def pack_name(chain: ChainId, pack: PackId) -> str:
    """Return the name of *pack*, which is a healing pack where its slot is 0."""
    if pack.slot == HEALING_SLOT:
        return f"{prefix_of_healing(chain)}{_id(pack.session)}-{_cut(pack.number)}"
    return prefix_of_session(chain, "p", pack.slot, pack.session) + _cut(pack.number)


def prefix_of_copies(run: RunId) -> str:
    """Return what the names of the packs begin with that were copied for *run* to be read."""
    return f"{RESERVED}{_id(run)}/"


def copy_name(run: RunId, pack: str) -> str:
    """Return the name of the copy that is made for *run* of the pack called *pack*."""
    chain, _, rest = pack.removeprefix(CHAINS).partition("/p/")
    return f"{prefix_of_copies(run)}{_id(chain)}/{rest}"


def index_name(chain: ChainId, index: IndexId) -> str:
    """Return the name of the index object *index*."""
    return prefix_of_session(chain, "i", index.slot, index.session) + _cut(index.number)


def manifest_name(chain: ChainId, slot: CommitSlot, session: WritingSession) -> str:
    """Return the name of the manifest that *session* writes for *slot*."""
    return prefix_of_slot(chain, "m", slot) + _id(session)


def list_part_name(chain: ChainId, slot: CommitSlot, drawn: str, part: int) -> str:
    """Return the name of a part of the pack list of *slot*'s commit."""
    return f"{prefix_of_slot(chain, 'x', slot)}{_id(drawn)}-{within(part, 0, LAST_PART):04x}"


def prefix_of_points(vm: VmId) -> str:
    """Return what the names of *vm*'s recovery points begin with."""
    return f"{POINTS}{_id(vm)}/"


def point_name(vm: VmId, run: RunId) -> str:
    """Return the name of the recovery point of *vm* that *run* made."""
    return prefix_of_points(vm) + _id(run)


def prefix_of_holds(chain: ChainId, slot: CommitSlot) -> str:
    """Return what the names of holds on the manifest written for *slot* begin with."""
    return f"{HOLDS}{_id(chain)}/{_cut(checked_slot(slot))}/"


def hold_name(chain: ChainId, slot: CommitSlot, holder: str) -> str:
    """Return the name of *holder*'s hold on the manifest written for *slot*."""
    return prefix_of_holds(chain, slot) + _id(holder)


def _id(text: str) -> str:
    if not is_id(text):
        raise ValueError(f"{text!r} is no id: 32 lower-case hexadecimal digits are")
    return text


def within(number: int, least: int, most: int) -> int:
    """Return *number* where it is from *least* to *most*; else raise ValueError."""
    if not least <= number <= most:
        raise ValueError(f"{number} is not from {least} to {most}")
    return number


def checked_slot(slot: int) -> CommitSlot:
    """Return *slot* where a commit can have it; else raise ValueError."""
    return CommitSlot(within(slot, 1, LAST_SLOT))


def _cut(number: int) -> str:
    digits = f"{within(number, 0, _U32_MOST):08x}"
    return f"{digits[:5]}/{digits[5:]}"


def _cut_log(number: int) -> str:
    digits = f"{LOG_FROM - within(number, 1, LAST_LOG_NUMBER):010x}"
    return f"{digits[:7]}/{digits[7:]}"
