"""How address ranges are chosen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmbackup_core.errors import PermanentError
from vmbackup_operator.environments.addresses import choose_ranges, overlapping, split_range

POOL = "10.213.0.0/16"


def test_the_same_name_gets_the_same_ranges() -> None:
    assert choose_ranges(POOL, "a", ()) == choose_ranges(POOL, "a", ())


def test_the_two_subnets_halve_the_network() -> None:
    ranges = split_range("10.1.0.0/22")

    assert (ranges.workers, ranges.endpoints) == ("10.1.0.0/23", "10.1.2.0/23")


@given(name=st.text(max_size=8), taken=st.lists(st.integers(0, 63), max_size=63, unique=True))
def test_a_chosen_range_overlaps_nothing_that_is_taken(name: str, taken: list[int]) -> None:
    occupied = [f"10.213.{4 * number}.0/22" for number in taken]

    ranges = choose_ranges(POOL, name, occupied)

    assert overlapping((ranges.network,), occupied) is None
    assert overlapping((ranges.network,), (POOL,)) is not None


def test_a_pool_without_a_free_range_is_named() -> None:
    with pytest.raises(PermanentError, match=r"10\.213\.0\.0/16") as refused:
        choose_ranges(POOL, "a", ("10.0.0.0/8",))

    assert refused.value.reason == "AddressPoolExhausted"


def test_a_small_pool_is_used_whole() -> None:
    assert choose_ranges("10.0.0.0/24", "a", ()).network == "10.0.0.0/24"


def test_ipv6_ranges_are_no_neighbours() -> None:
    assert overlapping(("10.0.0.0/24",), ("fd00::/8",)) is None
    assert choose_ranges("10.0.0.0/24", "a", ("fd00::/8",)).network == "10.0.0.0/24"


@pytest.mark.parametrize("text", ["10.0.0.0/30", "10.0.0.1/24", "nowhere", "fd00::/64"])
def test_a_range_that_serves_for_nothing_is_refused(text: str) -> None:
    with pytest.raises(PermanentError) as refused:
        split_range(text)

    assert refused.value.reason == "InvalidAddresses"
