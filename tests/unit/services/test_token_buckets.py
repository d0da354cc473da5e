"""Azure's limits of requests, kept from our side."""

from __future__ import annotations

import pytest

from tests.worlds.turned_clock import TurnedClock
from vmbackup_operator.services.token_buckets import LIMITS, Class, Scope, TokenBuckets, class_of

READS = Scope("s", "reads", "microsoft.compute")
#: Nine tenths of what Azure's own buckets hold.
SPENT = {"reads": 225, "writes": 180, "deletes": 180}


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def buckets(clock: TurnedClock) -> TokenBuckets:
    return TokenBuckets(clock)


def spend(buckets: TokenBuckets, scope: Scope) -> int:
    """Return how many requests may be sent at this moment."""
    for sent in range(10_000):
        if buckets.take(scope) > 0:
            return sent
    raise AssertionError("there is no limit")


@pytest.mark.parametrize("class_", LIMITS)
def test_a_bucket_is_spent_at_once_and_fills_at_azures_pace(
    buckets: TokenBuckets, clock: TurnedClock, class_: Class
) -> None:
    scope = Scope("s", class_)

    assert spend(buckets, scope) == SPENT[class_]
    clock.turn(4)
    assert spend(buckets, scope) == 4 * LIMITS[class_].per_s


def test_an_hour_of_asking_at_all_times_stays_within_the_limit(
    buckets: TokenBuckets, clock: TurnedClock
) -> None:
    sent = 0
    for _ in range(3600):
        sent += spend(buckets, READS)
        clock.turn(1)

    assert sent == 225 + 25 * 3599


def test_classes_and_subscriptions_have_buckets_of_their_own(buckets: TokenBuckets) -> None:
    spend(buckets, READS)

    assert buckets.take(Scope("s", "writes")) == 0
    assert buckets.take(Scope("other", "reads")) == 0


def test_who_finds_it_empty_is_told_how_long_it_takes(
    buckets: TokenBuckets, clock: TurnedClock
) -> None:
    spend(buckets, READS)

    wait_s = buckets.take(READS)
    clock.turn(wait_s)

    assert wait_s == pytest.approx(0.04)
    assert buckets.take(READS) == 0


def test_what_others_have_spent_is_believed(buckets: TokenBuckets) -> None:
    buckets.see_remaining(READS, 3)

    assert spend(buckets, READS) == 3


def test_a_count_that_is_higher_than_ours_gives_nothing(buckets: TokenBuckets) -> None:
    spend(buckets, READS)

    buckets.see_remaining(READS, 11999)

    assert buckets.take(READS) > 0


def test_nothing_is_sent_until_retry_after_has_passed(
    buckets: TokenBuckets, clock: TurnedClock
) -> None:
    buckets.pause(READS, 77)

    assert buckets.take(READS) == pytest.approx(77)
    clock.turn(76)
    assert buckets.take(READS) == pytest.approx(1)
    clock.turn(1)
    assert buckets.take(READS) == 0


def test_a_providers_limit_leaves_the_others_alone(buckets: TokenBuckets) -> None:
    buckets.pause(READS, 77)

    assert buckets.take(Scope("s", "reads", "microsoft.network")) == 0
    assert buckets.take(Scope("s", "writes", "microsoft.compute")) == 0


def test_resource_managers_own_limit_holds_for_all_providers(buckets: TokenBuckets) -> None:
    buckets.pause(Scope("s", "reads"), 77)

    assert buckets.take(READS) == pytest.approx(77)


@pytest.mark.parametrize(
    ("method", "class_"),
    [("GET", "reads"), ("HEAD", "reads"), ("PUT", "writes"), ("PATCH", "writes"),
     ("POST", "writes"), ("DELETE", "deletes")],
)  # fmt: skip
def test_a_request_counts_as_azure_counts_it(method: str, class_: Class) -> None:
    assert class_of(method) == class_
