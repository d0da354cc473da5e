"""docs/restoring.md says of every property what the rules say, and names what is set again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.sources import ROOT
from tests.unit.restores.test_recorded_bodies import TREES, distinct, published, rules_of
from tests.worlds.recorded_vm import Recorded
from vmbackup_operator.restores.planning.rules import Fate, RuleTree

PAGE: Final = (ROOT / "docs" / "restoring.md").read_text()
HEADINGS: Final = {
    "disks": "### Disks",
    "networkInterfaces": "### Network interfaces",
    "virtualMachines": "### The VM",
}
#: How the page says what becomes of a property.
WORDS: Final[dict[Fate, str]] = {
    "azure": "Azure says it itself",
    "session": "the restore decides it",
    "told": "not set again, and told",
    "region": "set again in its region, else told",
    "place": "set again in its region and subscription, else told",
    "group": "set again in its resource group, else told",
    "provisioned": "set again on Ultra disks and Premium SSD v2, else told where it was one",
    "premium": "set again on Premium SSDs, else told",
    "tier": "set again on a Premium SSD of the recorded size, else told",
    "static": "not set again, and told where it was fixed",
}
#: How the page counts them, and in which column; in the order of its columns.
COUNTED: Final = {
    "disks": "disks",
    "networkInterfaces": "network interfaces",
    "virtualMachines": "VMs",
}
COLUMNS: Final[dict[Fate | None, str]] = {
    None: "set again",
    "region": "where they can be",
    "place": "where they can be",
    "group": "where they can be",
    "provisioned": "where they can be",
    "premium": "where they can be",
    "tier": "where they can be",
    "told": "told",
    "static": "told",
    "session": "the restore",
    "azure": "Azure",
}
ROW: Final = re.compile(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
AGAIN: Final = re.compile(r"^Set again, of what Azure was seen to say: (.+?)\.$", re.MULTILINE)


def part_of(kind: str) -> str:
    """Return what the page says under the heading of *kind*."""
    _, _, rest = PAGE.partition(f"{HEADINGS[kind]}\n")
    return re.split(r"^##", rest, maxsplit=1, flags=re.MULTILINE)[0]


def fates(
    body: Recorded, tree: RuleTree | None, path: str = ""
) -> Iterator[tuple[str, Fate | None]]:
    """Yield each property and what its rule says, the outermost of those without a rule below.

    None where no rule names it: it is set again.
    """
    for name, value in body.items():
        below = tree.at(name) if tree is not None else None
        here = f"{path}.{name}" if path else name
        inner = _inner(value, below)
        if below is not None and below.rule is not None:
            yield here, below.rule.fate
        elif inner is None:
            yield here, None
        else:
            for each, within, mark in inner:
                yield from fates(each, within, f"{here}{mark}")


def seen_fates(kind: str) -> dict[str, Fate | None]:
    """Return what becomes of each property that Azure was seen to say of the kind."""
    bodies = [body for of, body in distinct(published()) if of == kind]
    if not bodies:
        pytest.skip("the folder azure-specs is not beside the checkout")
    return dict(pair for body in bodies for pair in fates(body, TREES[kind]))


def _inner(value: Any, tree: RuleTree | None) -> list[tuple[Recorded, RuleTree | None, str]] | None:
    if tree is None or not tree.below:
        return None
    if isinstance(value, dict):
        return [(value, tree, "")]
    items = tree.at("[]")
    if isinstance(value, list) and items is not None:
        return [(each, items, "[]") for each in value if isinstance(each, dict)]
    return None


@pytest.mark.parametrize("kind", TREES)
def test_the_page_has_every_rule_and_no_other(kind: str) -> None:
    said = {(path, what, why) for path, what, why in ROW.findall(part_of(kind))}

    assert said == {(rule.path, WORDS[rule.fate], rule.why) for rule in rules_of(TREES[kind])}


@pytest.mark.parametrize("kind", TREES)
def test_the_page_names_what_is_set_again_of_what_azure_was_seen_to_say(kind: str) -> None:
    (said,) = AGAIN.findall(part_of(kind))
    seen = {path for path, fate in seen_fates(kind).items() if fate is None}

    assert set(re.findall(r"`([^`]+)`", said)) == seen


@pytest.mark.parametrize("kind", TREES)
def test_the_page_counts_what_becomes_of_what_azure_was_seen_to_say(kind: str) -> None:
    found = Counter(COLUMNS.get(fate, "") for fate in seen_fates(kind).values())
    bodies = sum(of == kind for of, _ in distinct(published()))
    counted = (
        bodies,
        found.total(),
        *(found[column] for column in dict.fromkeys(COLUMNS.values())),
    )

    assert f"| {COUNTED[kind]} | {' | '.join(map(str, counted))} |\n" in PAGE
    assert not found[""]
