"""An appliance with an Azure in memory, as the tests of environments have it."""

from __future__ import annotations

from tests.unit.environments.conftest import appliance, settings

__all__ = ["appliance", "settings"]
