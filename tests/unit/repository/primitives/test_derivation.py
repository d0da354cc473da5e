"""Keys are derived as the format's page says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.repository.known_values import MASTER, REPOSITORY, USER_KEY, known
from vmbackup_core.ids import RepositoryId
from vmbackup_core.repository.primitives.derivation import derive, fingerprint_of

PARTS = st.lists(st.binary(max_size=4), max_size=4)


def test_a_user_keys_fingerprint_is_the_known_one() -> None:
    assert fingerprint_of(USER_KEY) == known("fingerprint")


def test_a_key_below_a_master_is_the_known_one() -> None:
    assert derive(MASTER, REPOSITORY, "header").hex() == known("header key")


def test_the_same_secret_gives_other_keys_in_another_repository() -> None:
    other = RepositoryId("41" * 16)

    assert derive(MASTER, REPOSITORY, "control") != derive(MASTER, other, "control")


@given(first=PARTS, second=PARTS)
def test_only_equal_lists_of_parts_give_equal_keys(first: list[bytes], second: list[bytes]) -> None:
    keys = [derive(MASTER, REPOSITORY, "x", *parts) for parts in (first, second)]

    assert (keys[0] == keys[1]) == (first == second)
