"""What a repair has done, or would do, as people and programs read it."""

from __future__ import annotations

from dataclasses import dataclass

from vmbackup_core.ids import ChainId
from vmbackup_core.repository.control.check import Finding
from vmbackup_core.repository.control.log.log_entries import Bad, Healed
from vmbackup_core.repository.control.repair.repairing import RepairPlan
from vmbackup_core.repository.primitives.identities import IndexId, PackId
from vmbackup_core.repository.primitives.names import index_name, pack_name
from vmbackup_operator.cli.commands import Where
from vmbackup_operator.cli.findings import cost_of, finding_as_json
from vmbackup_operator.cli.printing import Console, number_of, size


@dataclass(frozen=True, slots=True)
class Mended:
    """A chain with damage: what was planned (None: none of its manifests opens), and was done."""

    chain: ChainId
    plan: RepairPlan | None
    healed: Healed | None

    @property
    def healed_bytes(self) -> int:
        """How much can be stored again, or was."""
        return 0 if self.plan is None else sum(one.lost.block_bytes for one in self.plan.curable)


@dataclass(frozen=True, slots=True)
class Repaired:
    """All that a repair has come to; with *is_dry* nothing of it was done."""

    is_dry: bool
    put_back: tuple[str, ...]
    bad: tuple[Bad, ...]
    mended: tuple[Mended, ...]
    left: tuple[Finding, ...]
    unfinished: tuple[Healed, ...]


def write_repaired(done: Repaired, where: Where, console: Console) -> None:
    """Print it."""
    if where.output == "json":
        console.write_json(_as_json(done))
        return
    would = "WOULD BE " if done.is_dry else ""
    for name in done.put_back:
        console.write_line(f"{would}PUT BACK {name}")
    for bad in done.bad:
        console.write_line(f"{would}LOGGED AS BAD data/{_object(bad)}: {_what(bad)}")
    for mended in done.mended:
        if mended.plan is not None and mended.plan.curable:
            console.write_line(f"{would}HEALED {_healed(mended, mended.plan)}")
    for finding in done.left:
        console.write_line(
            f"LOST {finding.place}/{finding.object}: {finding.found}{cost_of(finding)}"
        )
    for session in done.unfinished:
        console.write_line(
            f"UNFINISHED repair {session.session} of chain {session.chain}: where it runs no more,"
            f" drop healing --session {session.session} gives it up"
        )
    console.write_line(_sum(done))


def _object(bad: Bad) -> str:
    packed = bytes.fromhex(bad.id)
    if bad.object == "index":
        return index_name(bad.chain, IndexId.parse(packed))
    return pack_name(bad.chain, PackId.parse(packed))


def _what(bad: Bad) -> str:
    if bad.parts is None:
        return bad.what
    kind = "part" if bad.object == "index" else "record"
    return f"{number_of(len(bad.parts), kind)} {bad.what}"


def _healed(mended: Mended, plan: RepairPlan) -> str:
    blocks = number_of(len(plan.curable), "block")
    return (
        f"{blocks}, {size(mended.healed_bytes)}, of disk {plan.disk.name} of {plan.vm.name}"
        f" (chain {mended.chain})"
    )


def _sum(done: Repaired) -> str:
    runs = {run for each in done.left for run in each.points}
    if done.left:
        lost = number_of(len(done.left), "object")
        return f"{lost} lost, referred to by {number_of(len(runs), 'recovery point')}"
    return "nothing would stay lost" if done.is_dry else "nothing is lost"


def _as_json(done: Repaired) -> dict[str, object]:
    """Return it with the fields that docs/operations.md promises."""
    return {
        "dryRun": done.is_dry,
        "putBack": list(done.put_back),
        "bad": [
            {
                "object": f"data/{_object(each)}",
                "what": each.what,
                "parts": None if each.parts is None else len(each.parts),
            }
            for each in done.bad
        ],
        "chains": [_mended_as_json(each) for each in done.mended],
        "lost": [finding_as_json(each) for each in done.left],
        "unfinished": [{"chain": one.chain, "session": one.session} for one in done.unfinished],
    }


def _mended_as_json(mended: Mended) -> dict[str, object]:
    plan, healed = mended.plan, mended.healed
    return {
        "chain": mended.chain,
        "disk": None if plan is None else plan.disk.name,
        "vm": None if plan is None else plan.vm.id,
        "blocks": 0 if plan is None else len(plan.curable),
        "bytes": mended.healed_bytes,
        "session": None if healed is None else healed.session,
    }
