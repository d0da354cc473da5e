"""``vmbackup repository prune``: what nothing needs any more, printed or deleted."""

from __future__ import annotations

from dataclasses import dataclass

from vmbackup_core.repository.control.retention.prune_plan import Garbage, LeftAlone, PrunePlan
from vmbackup_core.repository.opened import OpenedRepository
from vmbackup_core.stores.port import NotDeleted
from vmbackup_operator.cli.commands import Prune
from vmbackup_operator.cli.complaints import GOOD
from vmbackup_operator.cli.opening import open_at
from vmbackup_operator.cli.printing import Console, number_of, size
from vmbackup_operator.cli.progress import ProgressLine


@dataclass(frozen=True, slots=True)
class Pruned:
    """A chain of which something is garbage, and what of that is locked and stays."""

    plan: PrunePlan
    kept: tuple[NotDeleted, ...] = ()

    @property
    def garbage(self) -> tuple[tuple[str, Garbage], ...]:
        """All of it, with its place."""
        places = (("data", self.plan.data), ("control", self.plan.control))
        return tuple((place, each) for place, garbage in places for each in garbage)


def prune(asked: Prune, console: Console) -> int:
    """Delete what is garbage, or with ``--dry-run`` name it; chains left alone are no failure."""
    repository = open_at(asked.where, console)
    if asked.expect_head is not None:
        repository.log.heads.remember(repository.repository_id, asked.expect_head)
    repository.reading().check_history()
    plans = repository.upkeep.plan_prune()
    left = [each for each in plans if isinstance(each, LeftAlone)]
    garbage = [
        Pruned(each)
        for each in plans
        if isinstance(each, PrunePlan) and (each.data or each.control)
    ]
    if not asked.dry_run:
        with ProgressLine("prune", console, quiet=asked.where.quiet) as line:
            garbage = [_delete(repository, each.plan, line) for each in garbage]
    _write(garbage, left, asked, console)
    return GOOD


def _delete(repository: OpenedRepository, plan: PrunePlan, line: ProgressLine) -> Pruned:
    line.say(f"chain {plan.chain}, {size(plan.size_bytes)}")

    def still_ours() -> None:
        repository.log.check_owner(repository.reading().state)

    return Pruned(plan, tuple(repository.upkeep.prune(plan, still_ours)))


def _write(garbage: list[Pruned], left: list[LeftAlone], asked: Prune, console: Console) -> None:
    if asked.where.output == "json":
        console.write_json(_as_json(garbage, left, asked))
        return
    for each in garbage if asked.dry_run else ():
        rows = [(f"{place}/{one.name}", size(one.size_bytes)) for place, one in each.garbage]
        console.write_table(("WOULD BE DELETED", "SIZE"), rows)
    for each in garbage:
        objects = number_of(len(each.garbage), "object")
        console.write_line(f"chain {each.plan.chain}: {objects}, {size(each.plan.size_bytes)}")
        for kept in each.kept:
            console.write_line(f"{kept.name} is locked and stays: {kept.why}")
    for alone in left:
        console.write_line(f"chain {alone.chain} is left alone: {alone.why}")
    total = sum(each.plan.size_bytes for each in garbage)
    count = number_of(sum(len(each.garbage) - len(each.kept) for each in garbage), "object")
    console.write_line(f"{count}, {size(total)}, {'would be ' if asked.dry_run else ''}deleted")


def _as_json(garbage: list[Pruned], left: list[LeftAlone], asked: Prune) -> dict[str, object]:
    """Return it with the fields that docs/operations.md promises."""
    return {
        "dryRun": asked.dry_run,
        "chains": [
            {
                "chain": each.plan.chain,
                "bytes": each.plan.size_bytes,
                "objects": [
                    {"name": f"{place}/{one.name}", "bytes": one.size_bytes}
                    for place, one in each.garbage
                ],
                "locked": [kept.name for kept in each.kept],
            }
            for each in garbage
        ],
        "leftAlone": [{"chain": each.chain, "why": each.why} for each in left],
    }
