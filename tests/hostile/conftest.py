"""The simulated Azure's storage, as its contract tests have it."""

from __future__ import annotations

from tests.contract.simulator_storage.conftest import bare_cloud, cloud

__all__ = ["bare_cloud", "cloud"]
