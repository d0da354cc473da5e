"""``vmbackup repository holds`` and ``claim``: what a person decides about a repository."""

from __future__ import annotations

from vmbackup_core.errors import PermanentError
from vmbackup_core.repository.control.chains.holds import FoundHold
from vmbackup_operator.cli.commands import Claim, Holds
from vmbackup_operator.cli.complaints import GOOD
from vmbackup_operator.cli.opening import open_at
from vmbackup_operator.cli.printing import Console, number_of


def decide(asked: Holds | Claim, console: Console) -> int:
    """Do what is asked for."""
    return holds(asked, console) if isinstance(asked, Holds) else claim(asked, console)


def holds(asked: Holds, console: Console) -> int:
    """Print who keeps which manifests, or remove the holds of one of them."""
    repository = open_at(asked.where, console)
    found = repository.holds()
    if asked.remove is None:
        _write(found, asked, console)
        return GOOD
    mine = [each for each in found if each.holder == asked.remove]
    if not mine:
        raise PermanentError(f"nobody called {asked.remove} holds anything", reason="NoSuchHold")
    for each in mine:
        repository.remove_hold(each)
    console.write_line(f"{number_of(len(mine), 'hold')} of {asked.remove} removed")
    return GOOD


def claim(asked: Claim, console: Console) -> int:
    """Have an appliance own the repository, where the person knows who has owned it."""
    repository = open_at(asked.where, console)
    owner = repository.owner
    if asked.owner is None and owner is not None and owner != asked.appliance:
        raise PermanentError(
            f"the repository is owned by {owner}, which stops to write once it is claimed",
            reason="ClaimUnclear",
        )
    repository.claim(asked.appliance, asked.owner if asked.owner is not None else owner)
    console.write_line(f"{asked.appliance} owns the repository")
    return GOOD


def _write(found: list[FoundHold], asked: Holds, console: Console) -> None:
    if asked.where.output == "json":
        console.write_json([_as_json(each) for each in found])
        return
    rows = [(each.holder, each.chain, str(each.slot), *_said(each)) for each in found]
    console.write_table(("HOLDER", "CHAIN", "SLOT", "PURPOSE", "SINCE", "WHO"), rows)


def _said(found: FoundHold) -> tuple[str, str, str]:
    if found.said is None:
        return ("damaged", "", "")
    return (found.said.purpose, str(found.said.at), found.said.holder)


def _as_json(found: FoundHold) -> dict[str, object]:
    """Return it with the fields that docs/operations.md promises."""
    said = found.said
    return {
        "holder": found.holder,
        "chain": found.chain,
        "slot": found.slot,
        "purpose": None if said is None else said.purpose,
        "since": None if said is None else str(said.at),
        "who": None if said is None else said.holder,
    }
