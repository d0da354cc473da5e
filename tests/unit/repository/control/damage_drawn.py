"""Damages of stored objects, drawn from a seed, and what they cost: as restores show it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tests.unit.repository.control.check_bench import Stored, Whole
from vmbackup_core.extents import Extent, merged
from vmbackup_core.ids import RunId
from vmbackup_core.repository.control.check import CheckReport, Place
from vmbackup_core.repository.control.log.heads import Heads
from vmbackup_core.repository.primitives.parsed_names import (
    ChainHeaderName,
    CommitName,
    HeaderName,
    HoldName,
    IndexName,
    ListPartName,
    LogName,
    ManifestName,
    PackName,
    PointName,
    StateName,
    WrapName,
    parse_control,
    parse_data,
)

Damage = Literal["flipped", "cut", "longer", "missing", "another's", "junk"]
DAMAGES: Sequence[Damage] = ("flipped", "cut", "longer", "missing", "another's", "junk")

KINDS: Mapping[str, tuple[Place, type]] = {
    "header": ("control", HeaderName),
    "wrap": ("control", WrapName),
    "copy of the header": ("data", HeaderName),
    "copy of a wrap": ("data", WrapName),
    "log object": ("control", LogName),
    "part of a state": ("control", StateName),
    "chain header": ("control", ChainHeaderName),
    "commit": ("control", CommitName),
    "part of a pack list": ("control", ListPartName),
    "point": ("control", PointName),
    "hold": ("control", HoldName),
    "pack": ("data", PackName),
    "index object": ("data", IndexName),
    "manifest": ("data", ManifestName),
}


@dataclass(frozen=True, slots=True)
class Damaged:
    """An object that is no longer what was stored."""

    kind: str
    place: Place
    name: str
    how: Damage


def place_of(whole: Whole, place: Place) -> Stored:
    return whole.data if place == "data" else whole.store


def named(whole: Whole, kind: str) -> list[str]:
    """Return the names of the objects of *kind*, in the order in which they were put."""
    place, wanted = KINDS[kind]
    parse: Callable[[str], object] = parse_data if place == "data" else parse_control
    return [each for each in place_of(whole, place).in_order() if isinstance(parse(each), wanted)]


def damage(whole: Whole, kind: str, at: int, how: Damage, draw: random.Random) -> Damaged:
    """Damage the object of *kind* with that number, so that it has other bytes or is gone."""
    place, names = KINDS[kind][0], named(whole, kind)
    name = names[at % len(names)]
    store = place_of(whole, place)
    content = store.get(name)
    if how == "missing":
        store.delete(name)
    else:
        store.overwrite(
            name, _changed(store, content, [each for each in names if each != name], how, draw)
        )
    return Damaged(kind, place, name, how)


def _changed(
    store: Stored, content: bytes, others: Sequence[str], how: Damage, draw: random.Random
) -> bytes:
    if how == "flipped":
        made = bytearray(content)
        made[draw.randrange(len(made))] ^= 1 << draw.randrange(8)
        return bytes(made)
    if how == "cut":
        return content[: draw.randrange(len(content))]
    if how == "longer":
        return content + draw.randbytes(draw.randrange(1, 200))
    if how == "another's" and others:
        return store.get(draw.choice(others))
    return draw.randbytes(len(content))


#: What is lost: of each run's point the extents of each disk, None where the point is lost whole.
Losses = dict[RunId, "dict[str, list[Extent]] | None"]


def losses(whole: Whole) -> Losses:
    """Return what restoring all points that were recorded once would miss."""
    state = whole.log().read().state
    counted = {entry.run: entry for entry in state.counted.values()}
    lost: Losses = {}
    for run, contents in whole.contents.items():
        restored = whole.restored(counted[run], state) if run in counted else None
        if restored is None:
            lost[run] = None
            continue
        of_disks: dict[str, list[Extent]] = {}
        for index, content in enumerate(contents):
            found = restored.get(index)
            extents = [Extent(0, len(content))] if found is None else found[1].extents
            if found is not None:
                assert_is_whole_beside(found[0], content, extents)
            if extents:
                of_disks[f"disk-{index}"] = extents
        if of_disks:
            lost[run] = of_disks
    return lost


def assert_is_whole_beside(restored: bytes, content: bytes, holes: Sequence[Extent]) -> None:
    expected = bytearray(content)
    for hole in holes:
        expected[hole.offset : hole.end] = bytes(hole.length)
    assert restored == bytes(expected)


def told(report: CheckReport) -> Losses:
    """Return what *report* says is lost."""
    lost: Losses = {}
    for finding in report.findings:
        lost.update(dict.fromkeys(finding.runs))
    for finding in report.findings:
        for hurt in finding.hurt:
            for run in hurt.points:
                of_disks = lost.setdefault(run, {})
                if of_disks is not None:
                    of_disks.setdefault(hurt.disk, []).extend(hurt.extents)
    return {
        run: disks and {disk: list(merged(extents)) for disk, extents in disks.items()}
        for run, disks in lost.items()
    }


def check_is_told(whole: Whole, damaged: Sequence[Damaged], heads: Heads) -> None:
    """Compare a check's words with what was done, and with what restores miss."""
    report = whole.check(log=whole.log(heads))
    unsaid = _unsaid(damaged)

    assert _without(told(report), unsaid) == _without(losses(whole), unsaid)
    findings = {(each.place, each.object): each for each in report.findings}
    for each in damaged:
        if not _is_out_of_sight(each, damaged):
            assert (each.place, each.name) in findings, each
            assert findings[each.place, each.name].what in _WORDS[each.how], each


def _unsaid(damaged: Sequence[Damaged]) -> set[RunId]:
    """Return the runs of damaged points, where the log may have lost that they counted as well.

    Nothing tells such a run from one that never made its point.
    """
    if not any(each.kind == "log object" for each in damaged):
        return set()
    return {RunId(each.name.rpartition("/")[2]) for each in damaged if each.kind == "point"}


def _without(lost: Losses, runs: set[RunId]) -> Losses:
    return {run: disks for run, disks in lost.items() if run not in runs}


_WORDS = {
    "missing": {"missing", "rolledBack", "logDamaged"},
    "cut": {"damaged", "resized", "logDamaged", "rolledBack"},
    "longer": {"damaged", "resized", "logDamaged", "rolledBack"},
    "flipped": {"damaged", "logDamaged", "rolledBack"},
    "another's": {"damaged", "resized", "logDamaged", "logDiffers", "rolledBack"},
    "junk": {"damaged", "logDamaged", "rolledBack"},
}


def _is_out_of_sight(each: Damaged, damaged: Sequence[Damaged]) -> bool:
    """Tell whether only another damaged object says what this one's bytes are to be."""
    if each.kind == "hold" and each.how == "missing":
        return True  # who held it may have deleted it
    others = {other.kind for other in damaged if other is not each}
    if each.kind in {"commit", "point"} and each.how == "missing":
        return "log object" in others  # nothing else may name it: the page does not cover it
    if each.kind == "manifest" and "log object" in others:
        return True
    if each.kind in {"manifest", "index object"} and {"point", "commit"} <= others:
        return True  # nothing that opens has the manifest's digest
    above = {
        "wrap": {"copy of a wrap"},  # no user key is there to open either
        "copy of a wrap": {"wrap"},
        "index object": {"manifest"},
        "part of a state": {"log object"},
        "part of a pack list": {"commit"},
        "pack": {"manifest", "commit", "part of a pack list", "index object"},
    }
    return bool(above.get(each.kind, set()) & others)


def damages(
    whole: Whole, drawn: Sequence[tuple[str, int, Damage]], draw: random.Random
) -> list[Damaged]:
    """Damage an object for each of *drawn*, none twice; return those that are not as before."""
    before, done = whole.copy(), dict[tuple[Place, str], Damaged]()
    for kind, at, how in sorted(drawn, key=lambda each: each[2] == "missing"):
        place, names = KINDS[kind][0], named(whole, kind)
        if names and (place, names[at % len(names)]) not in done:
            one = damage(whole, kind, at, how, draw)
            done[one.place, one.name] = one
    return [each for each in done.values() if _is_other(whole, before, each)]


def _is_other(whole: Whole, before: Whole, each: Damaged) -> bool:
    if each.how == "missing":
        return True
    stored = place_of(whole, each.place).get(each.name)
    return stored != place_of(before, each.place).get(each.name)
