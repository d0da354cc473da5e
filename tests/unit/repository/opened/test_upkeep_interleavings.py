"""Prune, expire and a change of keys beside all others, interleaved at every call to the stores.

`tests/soak/test_upkeep_interleaved.py` draws many more of the same.
"""

from __future__ import annotations

import pytest

from tests.unit.repository.control.retention.prune_without import NextTaken
from tests.unit.repository.opened.upkeep_pairs import PAIRS, play

SCHEDULES = 4


@pytest.mark.parametrize("pair", PAIRS)
def test_whoever_is_faster_nothing_that_counts_is_missed(pair: str) -> None:
    for seed in range(SCHEDULES):
        assert play(pair, seed) == [], f"seed {seed}"


def test_a_run_whose_commit_is_let_go_right_behind_it_commits_anew() -> None:
    """Expire comes between a retry's commit and its next look, by this seed."""
    assert play("R, X", 10_290_276_687) == []


def test_a_run_whose_point_was_put_and_whose_commits_are_let_go_records_behind_a_sync() -> None:
    """Its attempt ends between point and log, expire comes, and the next one is refused (seed)."""
    assert play("R, X", 57_404_573_346_152) == []


def test_a_commit_counts_though_the_next_is_recorded_between_two_looks_at_it() -> None:
    """Another run commits and records behind the listing of this one's commits, by this seed."""
    assert play("R, P2", 176_567_348_094_813) == []


@pytest.mark.parametrize(("pair", "seed"), [("P, K", 1214), ("RP, K", 2998)])
def test_a_point_is_recorded_by_keys_that_were_opened_before_an_epoch_began(
    pair: str, seed: int
) -> None:
    """A rotation ends between opening and recording, by these seeds: it is opened anew."""
    assert play(pair, seed) == []


def test_the_loss_of_a_safeguard_is_seen() -> None:
    """S4: prune takes what lies in a slot that a retry is about to take."""
    assert any(play("R, P", seed, NextTaken) for seed in range(40))
