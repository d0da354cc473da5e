"""``vmbackup repository retire`` and ``drop``: a person's word that something is not waited for."""

from __future__ import annotations

from vmbackup_core.errors import PermanentError
from vmbackup_core.ids import ChainId, CommitSlot
from vmbackup_core.repository.opened import OpenedRepository
from vmbackup_core.repository.primitives.identities import WritingSession, is_id
from vmbackup_operator.cli.commands import Drop, Retire
from vmbackup_operator.cli.complaints import GOOD
from vmbackup_operator.cli.opening import open_at
from vmbackup_operator.cli.printing import Console
from vmbackup_operator.cli.repairing import chains_of


def retire(asked: Retire, console: Console) -> int:
    """Have all of a disk's chains need nothing any more: expire and prune delete what they hold."""
    repository = open_at(asked.where, console)
    if asked.chain is not None:
        chains = frozenset([_there(repository, asked.chain)])
    else:
        chains = chains_of(repository, asked.disk or "")
    for chain in sorted(chains):
        repository.repairs.retire(chain)
    if asked.where.output == "json":
        console.write_json({"retired": sorted(chains)})
        return GOOD
    for chain in sorted(chains):
        console.write_line(f"chain {chain} is retired: what is in it goes as its commits expire")
    return GOOD


def drop(asked: Drop, console: Console) -> int:
    """Have prune and expire wait no longer for what is damaged."""
    repository = open_at(asked.where, console)
    act = _drop_healing if asked.what == "healing" else _drop
    is_new = act(repository, asked)
    named = asked.session if asked.what == "healing" else f"of slot {asked.slot}"
    if asked.where.output == "json":
        console.write_json({"what": asked.what, "chain": asked.chain, "dropped": is_new})
    else:
        when = "is dropped" if is_new else "was dropped before"
        console.write_line(f"{asked.what} {named} {when}: nothing waits for it any more")
    return GOOD


def _drop(repository: OpenedRepository, asked: Drop) -> bool:
    chain, slot = _there(repository, asked.chain or ""), CommitSlot(asked.slot or 0)
    repairs = repository.repairs
    if asked.what == "commit":
        return repairs.drop_commit(chain, slot, asked.why) is not None
    return repairs.drop_manifest(chain, slot, asked.why) is not None


def _drop_healing(repository: OpenedRepository, asked: Drop) -> bool:
    session = asked.session or ""
    found = None
    if is_id(session):
        found = repository.repairs.drop_healing(WritingSession(session), asked.why)
    if found is None:
        raise PermanentError(
            f"no repair of session {session} has begun and is neither done nor dropped",
            reason="HealingUnknown",
        )
    return True


def _there(repository: OpenedRepository, chain: str) -> ChainId:
    if chain not in {each.chain for each in repository.repairs.disks()}:
        raise PermanentError(f"the repository has no chain {chain}", reason="NoSuchChain")
    return ChainId(chain)
