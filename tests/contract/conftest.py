"""What the contract suites share: one Azurite for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tools.local_cloud.azurite import Azurite, azurite, new_account_key

ACCOUNT = "contracts"


@pytest.fixture(scope="session")
def running_azurite() -> Iterator[Azurite]:
    """A real Azurite with the account `contracts`, for as long as the tests run."""
    with azurite({ACCOUNT: new_account_key()}) as running:
        yield running
