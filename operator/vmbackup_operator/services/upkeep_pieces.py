"""A piece of Catalog, of Prune and of Lists: by VM, by chain, and by commit or a part of one.

Each is given what was done so far and returns that it goes on, or what all of it came to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from vmbackup_core.ids import ChainId
from vmbackup_core.repository.control.log.log_entries import Place
from vmbackup_core.repository.control.retention.prune_plan import LeftAlone, PrunePlan
from vmbackup_core.repository.control.verify.list_proving import ListLooked
from vmbackup_core.repository.opened_upkeep import Upkeep
from vmbackup_core.repository.primitives.identities import VmId
from vmbackup_core.repository.primitives.steps import Steps
from vmbackup_operator.model.display import amount, counted
from vmbackup_operator.services.fence import Fence
from vmbackup_operator.services.upkeep_progress import Pace, SoFar, is_through
from vmbackup_operator.upkeep.ports import GoOn, JobDone


def sync_catalog(upkeep: Upkeep, so_far: SoFar, pace: Pace) -> GoOn | JobDone:
    """Record or delete the points of some VMs that lie there and were never logged."""
    vms = upkeep.vms()
    for vm in pace.walk(vms, so_far):
        so_far.count("vms")
        for examined in upkeep.sync_vm(VmId(vm)):
            so_far.count(examined.outcome)
            if examined.outcome != "recorded":
                run = examined.point[1]
                so_far.tell(f"the point of run {run} is {examined.outcome}: {examined.why}")
    if not is_through(vms, so_far):
        return so_far.go_on(f"{so_far.of('vms')} of {counted(len(vms), 'VM')} compared")
    parts = [
        _some(so_far, "recorded", "recovery point", "found unrecorded, and recorded"),
        _some(
            so_far,
            "deleted",
            "recovery point",
            "found unrecorded, and deleted: too late",
        ),
        _some(so_far, "left", "recovery point", "found unrecorded, and left for the next pass"),
        _some(so_far, "damaged", "recovery point", "found unrecorded and damaged, and left"),
    ]
    if not any(parts):
        parts = ["the log and what lies there agree"]
    return so_far.done(parts, findings=so_far.of("damaged") > 0)


def prune_chains(upkeep: Upkeep, so_far: SoFar, pace: Pace, fence: Fence) -> GoOn | JobDone:
    """Delete what nothing needs in some chains; *fence* is asked before each batch."""
    chains = upkeep.chains()
    for chain in pace.walk(chains, so_far):
        so_far.count("chains")
        planned = upkeep.plan_prune_of(ChainId(chain))
        if isinstance(planned, LeftAlone):
            _take_in_alone(planned, so_far)
        else:
            _take_in_pruned(planned, upkeep, fence, so_far)
    objects, size = so_far.of("objects"), amount(so_far.of("bytes"))
    gone = f"{counted(objects, 'object')} ({size}) deleted" if objects else "nothing to delete"
    if not is_through(chains, so_far):
        done = f"{so_far.of('chains')} of {counted(len(chains), 'chain')} looked at"
        return so_far.go_on(f"{done}: {gone}")
    parts = [
        gone,
        _some(so_far, "locked", "object", "locked, and left"),
        _some(so_far, "later", "chain", "left for the next pass"),
        _some(so_far, "alone", "chain", "left alone, since something is lost or damaged"),
    ]
    came_to = so_far.done(parts, findings=so_far.of("alone") > 0)
    is_all_seen = not so_far.of("alone") and not so_far.of("later")
    return replace(came_to, stored_bytes=so_far.of("kept") if is_all_seen else None)


@dataclass
class Recount:
    """The pack list that is being recounted, over as many pieces as that takes.

    How far it is lies in memory: after a crash the list is recounted anew.
    """

    place: Place | None = None
    steps: Steps[ListLooked | None] | None = None
    looked: ListLooked | None = None

    def take(self, upkeep: Upkeep, place: Place, pace: Pace) -> bool:
        """Recount the list of *place* until *pace* is up; tell whether that was all of it."""
        steps, self.steps = self.steps, None
        if steps is None or self.place != place:
            self.place, steps = place, upkeep.look_at_list(place)
        try:
            next(steps)
            while not pace.is_up:
                next(steps)
        except StopIteration as end:
            self.looked = end.value
            return True
        self.steps = steps
        return False


def prove_lists(upkeep: Upkeep, so_far: SoFar, pace: Pace, recount: Recount) -> GoOn | JobDone:
    """Recount the pack lists of some commits, and say in the log which of them are right.

    *recount* is what the piece before has left.
    """
    chains, looked = upkeep.chains(), list[ListLooked]()
    for chain in pace.walk(chains, so_far):
        if not _look_at_chain(upkeep, ChainId(chain), so_far, pace, recount, looked):
            break
        so_far.count("chains")
    upkeep.log_lists(looked)
    for each in looked:
        so_far.count("wrong" if each.wrong else "right")
        if each.wrong:
            chain, slot = each.place
            so_far.tell(f"slot {slot} of chain {chain}: {each.wrong}")
    right = f"{counted(so_far.of('right'), 'pack list')} recounted and right"
    if not is_through(chains, so_far):
        done = f"{so_far.of('chains')} of {counted(len(chains), 'chain')} looked at"
        return so_far.go_on(f"{done}: {right}")
    parts = [right, _some(so_far, "wrong", "pack list", "wrong, which prune does not believe")]
    return so_far.done(parts, findings=so_far.of("wrong") > 0)


def _look_at_chain(
    upkeep: Upkeep,
    chain: ChainId,
    so_far: SoFar,
    pace: Pace,
    recount: Recount,
    looked: list[ListLooked],
) -> bool:
    """Recount lists of *chain* behind the step of *so_far*; tell whether that was all of them."""
    begun, _, behind = so_far.step.partition(":")
    done = int(behind) if begun == chain and behind.isdigit() else 0
    places = [place for place in upkeep.unproven_lists(chain) if place[1] > done]
    for place in places:
        if not recount.take(upkeep, place, pace):
            return False
        looked += [] if recount.looked is None else [recount.looked]
        so_far.step = f"{chain}:{place[1]}"
        if pace.is_up and place != places[-1]:
            return False
    so_far.step = ""
    return True


def _take_in_alone(planned: LeftAlone, so_far: SoFar) -> None:
    if planned.is_damage:
        so_far.count("alone")
        so_far.tell(f"chain {planned.chain}: {planned.why}")
    elif planned.is_empty:
        so_far.count("empty")
    else:
        so_far.count("later")
        so_far.tell(f"chain {planned.chain}: {planned.why}")


def _take_in_pruned(planned: PrunePlan, upkeep: Upkeep, fence: Fence, so_far: SoFar) -> None:
    locked = {each.name for each in upkeep.prune(planned, fence)}
    gone = [each for each in (*planned.data, *planned.control) if each.name not in locked]
    so_far.count("objects", len(gone))
    so_far.count("bytes", sum(each.size_bytes for each in gone))
    so_far.count("locked", len(locked))
    so_far.count(
        "kept", planned.kept_bytes + planned.size_bytes - sum(each.size_bytes for each in gone)
    )


def _some(so_far: SoFar, what: str, named: str, said: str) -> str:
    """Return how many there were of *what*, or nothing where there were none."""
    number = so_far.of(what)
    return f"{counted(number, named)}: {said}" if number else ""
