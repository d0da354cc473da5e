"""What holds each line of the page's tables of safeguards and of concurrent operations.

A safeguard has a test that takes it away and sees the loss. A pair is played over the memory
stores, is like another that is, or has a reason why no order of its steps can matter.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.unit.repository.control.backup import commit_pairs
from tests.unit.repository.opened import upkeep_pairs

TESTS = Path(__file__).resolve().parents[2]
PAGE = (TESTS.parent / "docs" / "repository-format.md").read_text()

_CHAIN = "unit/repository/control/backup/test_chain_safeguards.py"
_COMMIT = "unit/repository/control/backup/test_commit_safeguards.py"
_LOG = "unit/repository/control/log/test_log_safeguards.py"
_PRUNE = "unit/repository/control/retention/test_prune_safeguards.py"
_DATA = "unit/repository/data/test_data_safeguards.py"
_SEALING = "unit/repository/primitives/test_sealing_safeguards.py"
_RESTORE = "unit/repository/opened/test_restore_interleavings.py"
_REPAIR = "unit/repository/control/repair/test_repairing.py"
_KEYS = "unit/repository/opened/test_key_interleavings.py"
_LOG_TURNS = "unit/repository/control/log/test_log_interleavings.py"
_BEGINNING = "unit/repository/primitives/test_beginning.py"
_REHYDRATION = "unit/repository/opened/test_rehydration.py"
_VERIFY = "unit/repository/verify/test_verify_interleavings.py"

#: Where each safeguard is taken away.
TAKEN_AWAY: MappingProxyType[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("S1", "S3", "S10", "S17", "S30"), _COMMIT),
        **dict.fromkeys(("S7", "S15", "S18", "S19"), _CHAIN),
        **dict.fromkeys(("S11", "S12", "S13", "S14", "S20", "S21", "S22", "S31", "S35"), _LOG),
        **dict.fromkeys(("S4", "S5", "S6", "S8", "S9", "S29", "S32", "S36"), _PRUNE),
        **dict.fromkeys(("S2", "S23", "S26"), _DATA),
        **dict.fromkeys(("S25", "S34"), _SEALING),
        **dict.fromkeys(("S27", "S28"), _REPAIR),
        "S16": _RESTORE,
        "S33": _BEGINNING,
    }
)
#: What an account keeps a worker from is tried on the account: there is nothing of ours to remove.
BY_THE_ACCOUNT = MappingProxyType({"S24": "hostile/test_hostile_worker.py"})

#: Pairs that a test of its own plays, or pauses where it hurts.
TESTED: MappingProxyType[str, str] = MappingProxyType(
    {
        "B, K": _KEYS,
        "K, K": _KEYS,
        "K, Z": _KEYS,
        "X, Z": _CHAIN,
        "RP, Z": _LOG,
        "L, Z": _LOG,
        "RP, RP": _LOG_TURNS,
        "RP, L": _LOG_TURNS,
        "X, L": _LOG_TURNS,
        "L, L": _LOG_TURNS,
        "T, Z": _RESTORE,
        "H, L": _REPAIR,
        "H, Z": _REPAIR,
        "V, L": _REPAIR,
        **dict.fromkeys(("P, Y", "T, Y", "Y, Y"), _REHYDRATION),
        **dict.fromkeys(("B, V", "R, V", "P, V", "X, V", "V, V", "V, H"), _VERIFY),
    }
)

_READS = "one of them only reads objects that never change, and that are held"
_FACTS = "what it appends are facts about packs, which are believed by nobody's decision to delete"
_ARCHIVE = "an archive copy reads as a restore does, and writes into a chain of its own"
_COPIES = "copies are named by nobody, and read by a restore of their own run alone"
_SAME_DOOR = "the command line opens the same façade as the operator"
_ALIKE = "runs of another policy are runs like any other: see the pairs of B"
_ENTRIES = "appends in its turn, as record and expire do, which are played"

#: Pairs of which no order matters, and why.
REASONED: MappingProxyType[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("RP, V", "V, K", "V, Z"), _FACTS),
        **dict.fromkeys(("V, A", "V, T", "T, L"), _READS),
        **dict.fromkeys(("B, A", "RP, A", "X, A", "P, A", "H, A", "A, A", "A, T"), _ARCHIVE),
        **dict.fromkeys(("B, Y", "X, Y", "V, Y", "A, Y", "L, Y", "K, Y", "Z, Y"), _COPIES),
        **dict.fromkeys(("B, C", "L, C", "Z, C", "C, C"), _SAME_DOOR),
        **dict.fromkeys(("B, P2", "P2, RP", "P2, X"), _ALIKE),
        **dict.fromkeys(("B, L", "P, L", "L, K"), _ENTRIES),
        "R, Z": "what is adopted is named by both manifests, of which one takes the slot: B, Z",
        "Z, Z": "any two of the others, which are played",
    }
)


def section(number: int) -> str:
    found = re.search(rf"^## {number}\. .*?(?=^#+ )", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found.group()


def rows(number: int) -> dict[str, str]:
    """Return the first two columns of a section's table."""
    found = re.findall(r"^\| ([A-Z0-9, ]+) \| (.*?) \|", section(number), re.MULTILINE)
    assert found
    return dict(found)


def like(why: str) -> str | None:
    """Return the pair that the page says another is like."""
    found = re.match(r"as (\w+, \w+)", why)
    return None if found is None else found.group(1)


def played() -> set[str]:
    names = {*commit_pairs.PAIRS, *upkeep_pairs.PAIRS}
    return {", ".join(name.split(", ")[:2]) for name in names}


def test_every_safeguard_of_the_page_has_a_test() -> None:
    assert rows(34).keys() == {*TAKEN_AWAY, *BY_THE_ACCOUNT}


@pytest.mark.parametrize("safeguard", TAKEN_AWAY)
def test_its_test_names_the_safeguard(safeguard: str) -> None:
    written = (TESTS / TAKEN_AWAY[safeguard]).read_text()

    assert re.search(rf"\b{safeguard}\b|test_{safeguard.lower()}_", written)


def test_every_pair_of_the_page_is_played_or_has_a_reason() -> None:
    pairs = rows(35)
    held = played() | TESTED.keys() | REASONED.keys()

    assert held <= pairs.keys()
    assert {pair for pair, why in pairs.items() if pair not in held and like(why) is None} == set()


def test_what_a_pair_is_like_is_held_itself() -> None:
    pairs = rows(35)
    held = played() | TESTED.keys() | REASONED.keys()

    for pair, why in pairs.items():
        seen = {pair}
        while pair not in held:
            other = like(pairs[pair])
            assert other in pairs, (pair, why)
            assert other not in seen, pair
            seen.add(other)
            pair = other  # noqa: PLW2901 - from like to like


def test_no_pair_has_a_reason_in_place_of_a_test_that_is_there() -> None:
    assert not REASONED.keys() & (played() | TESTED.keys())


@pytest.mark.parametrize("test", sorted({*TESTED.values(), *BY_THE_ACCOUNT.values()}))
def test_the_tests_named_are_there(test: str) -> None:
    assert (TESTS / test).is_file()
